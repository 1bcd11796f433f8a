"""A dictation endpoint: uvicorn fastapi_dictation:app, then POST a recording to /dictation"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, UploadFile
from openai import APIStatusError, AsyncOpenAI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncOpenAI() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/dictation")
async def dictation(recording: UploadFile) -> dict[str, str]:
    try:
        answer = await app.state.client.audio.transcriptions.create(
            model="gpt-transcribe", file=(recording.filename or "recording", recording.file)
        )
    except APIStatusError as exc:
        raise HTTPException(exc.status_code, exc.message) from exc
    return {"text": answer.text}
