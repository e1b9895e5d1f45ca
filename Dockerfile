# One image for every process; SERVICE picks which: gateway, orchestrator, model-caller, tool-runner, migrate, demo-model.
FROM node:24-bookworm-slim AS base
WORKDIR /app

# Only what decides which packages are installed, so that a change of source code keeps the layer of the dependencies.
FROM base AS manifests
COPY package.json package-lock.json ./
COPY packages packages
COPY services services
RUN find packages services -type f ! -name package.json -delete

# The embedded Postgres and the pinned Node are for machines without containers: their binaries come with optional packages
# and install scripts, and neither is needed here.
FROM base AS dependencies
COPY --from=manifests /app ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM base
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 HEALTH_PATH=/healthz
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY deploy/entrypoint.sh deploy/healthcheck.mjs deploy/
COPY migrations migrations
COPY packages packages
COPY services services
USER node
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["node", "deploy/healthcheck.mjs"]
ENTRYPOINT ["sh", "deploy/entrypoint.sh"]
