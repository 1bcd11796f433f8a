#!/bin/sh
# Serve the open weights of Qwen3-ASR with vLLM, and this server in front of it, which adds captions and live speech:
# sh open_weights.sh speech.wav. If COMPAT_ENGINE_URL is set, that server is used and not vLLM, which is untested here.
set -eu
port=${PORT:-8080}
servers=
trap 'kill $servers' EXIT
if [ -z "${COMPAT_ENGINE_URL:-}" ]; then
  vllm serve Qwen/Qwen3-ASR-1.7B --port 8001 >vllm.log 2>&1 &
  servers=$!
  COMPAT_ENGINE_URL=http://127.0.0.1:8001/v1
  until curl -sf "$COMPAT_ENGINE_URL/models" >/dev/null; do sleep 5; done  # it loads the model for minutes
fi
export COMPAT_ENGINE_URL COMPAT_ENGINE=openai
qwen-asr-compat serve --port "$port" >server.log 2>&1 &
servers="$servers $!"
until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do sleep 0.2; done
curl -sS --fail-with-body "http://127.0.0.1:$port/v1/audio/transcriptions" -F model=gpt-transcribe -F file=@"$1" \
  -F response_format=srt
