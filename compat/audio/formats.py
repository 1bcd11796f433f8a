"""The containers that are read: FFmpeg's names of their demuxers, each with the suffixes of its sounds and films.

Suffixes that mostly mean something else are left out, such as ts (TypeScript) and iff (pictures).
"""

from __future__ import annotations

FORMATS = {
    "wav": "bwf rf64 wav wave",
    "w64": "w64",
    "aiff": "aif aifc aiff",
    "au": "au snd",
    "caf": "caf",
    "mp3": "m2a mp1 mp2 mp3 mpa mpga",
    "aac": "aac adts",
    "loas": "latm loas",
    "flac": "flac",
    "ogg": "oga ogg ogv ogx opus spx",
    "amr": "amr",
    "amrnb": "amr",
    "amrwb": "awb",
    "asf": "asf wma wmv",
    "avi": "avi divx",
    "flv": "flv",
    "mpeg": "m2p mpeg mpg vob",
    "mpegts": "m2t m2ts mts",
    "mov": "3g2 3gp 3gpp f4a f4v ism isma ismv m4a m4b m4r m4v mj2 mov mp4 qt",
    "matroska": "mk3d mka mkv weba webm",
    "ac3": "ac3",
    "eac3": "eac3 ec3",
    "dts": "dts",
    "wv": "wv",
    "tta": "tta",
    "ape": "ape",
    "mpc": "mpc",
    "mpc8": "mpc",
    "tak": "tak",
    "gsm": "gsm",
    "voc": "voc",
    "nistsphere": "nist sph",
    "sox": "sox",
    "ircam": "ircam sf",
    "epaf": "fap paf",
    "pvf": "pvf",
    "avr": "avr",
    "iff": "8svx",
    "hcom": "hcom",
    "sds": "sds",
    "wve": "wve",
    "ast": "ast",
    "mlp": "mlp",
    "truehd": "thd",
    "rm": "ra rm rmvb",
    "nut": "nut",
    "wtv": "wtv",
    "mxf": "mxf",
    "dss": "dss",
    "dsf": "dsf",
    "qcp": "qcp",
    "oma": "aa3 oma omg",
}

SUFFIXES = frozenset(f".{suffix}" for suffixes in FORMATS.values() for suffix in suffixes.split())
"""With the dot."""
