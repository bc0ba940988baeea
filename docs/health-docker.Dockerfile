# An image that says of itself whether its database is fit to serve.
FROM python:3.13-slim
WORKDIR /srv/app
COPY . .
RUN pip install --no-cache-dir '.[api]'
USER nobody
# Docker takes 0 for healthy and 1 for unhealthy; 3, no connection, would be neither.
ENV DB_CONNECT_DEADLINE=5
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD dbctl health --only connection,migrations --json || exit 1
CMD ["dbctl", "health", "serve", "--host", "0.0.0.0"]
