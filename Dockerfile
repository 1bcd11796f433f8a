FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY compat compat
# hadolint ignore=DL3013 -- pip itself checks every hash of the lock
RUN python -m venv /app \
 && /app/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /app /app
RUN useradd --system --uid 10001 compat
USER compat
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["/app/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["/app/bin/qwen-asr-compat"]
# Beyond this machine a key is asked for: set COMPAT_API_KEYS, or say --insecure.
CMD ["serve", "--host", "0.0.0.0"]
