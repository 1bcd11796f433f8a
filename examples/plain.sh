#!/bin/sh
# Transcribe a file as text, as subtitles, and as a stream: sh plain.sh speech.wav
set -eu
ask() { curl -sS --fail-with-body -N "$OPENAI_BASE_URL/audio/transcriptions" -H "Authorization: Bearer $OPENAI_API_KEY" "$@"; }
ask -F model=gpt-transcribe -F file=@"$1" -F response_format=text
ask -F model=gpt-transcribe -F file=@"$1" -F response_format=srt
ask -F model=gpt-transcribe -F file=@"$1" -F stream=true
