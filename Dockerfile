# By default the image contains the local speech engine, for use without a DashScope key. Instead of the engine,
# --build-arg WITH=bucket adds what publishes audio from a bucket, WITH=otel what sends traces, WITH=webrtc calls.
# The tests use Python 3.11.
FROM python:3.11-slim-trixie@sha256:9534e5a8e315485d4061ed659af0fd78a284c015f9b73661b41d6bab25604534 AS build
ARG WITH=local
# Any version of strip works, and this stage is discarded.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/release.lock requirements/image-$WITH.lock requirements/
COPY pyproject.toml README.md LICENSE THIRD-PARTY-NOTICES.md ./
COPY scripts/image scripts/
COPY compat compat
RUN scripts/image /app "$WITH"

FROM python:3.11-slim-trixie@sha256:9534e5a8e315485d4061ed659af0fd78a284c015f9b73661b41d6bab25604534
ARG WITH=local
COPY --from=build /app /app
# Compiles the modules that a start imports, Python's own included, because the root may be read-only at run time.
RUN useradd --system --uid 10001 --no-create-home compat \
 && install -d -m 700 -o compat /var/lib/qwen-asr-compat \
 && /app/bin/python -c "import compat.__main__, compat.app, compat.audio.child, compat.emulator.app" \
 && if [ "$WITH" = local ]; then /app/bin/python -c "import moonshine_voice"; fi
ENV XDG_STATE_HOME=/var/lib
VOLUME /var/lib/qwen-asr-compat
USER 10001
EXPOSE 8000
# Unhealthy while DashScope cannot be reached; the server itself then goes on, and /healthz answers.
HEALTHCHECK --interval=10s --timeout=7s --start-period=10s \
  CMD ["/app/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=6)"]
ENTRYPOINT ["/app/bin/qwen-asr-compat"]
# This address needs keys: set COMPAT_API_KEYS, or pass --insecure.
CMD ["serve", "--host", "0.0.0.0"]
