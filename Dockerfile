# One image for servers and workers. Built and run nowhere yet: see docs/OPERATIONS_RUNBOOK.md.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /var/lib/agora --uid 10001 agora

WORKDIR /opt/agora
COPY pyproject.toml requirements.lock README.md LICENSE Makefile langgraph.json ./
COPY scripts scripts
COPY agora agora
COPY config config
COPY graphs graphs
COPY memory memory
COPY nodes nodes
COPY prompts prompts
COPY web web
RUN UV_NO_CACHE=1 make setup

USER agora
ENV AGORA_HOME=/var/lib/agora AGORA_CONFIG=/opt/agora/config/cloud/production.yaml
VOLUME /var/lib/agora
EXPOSE 8123
# Runs may end before the kernel ends them: give `docker stop` more than serve.drain_s.
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s --interval=15s CMD \
    [".venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8123/readyz', timeout=5)"]
CMD [".venv/bin/agora", "serve"]
