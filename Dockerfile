# syntax=docker/dockerfile:1
# Podman and buildah keep the health check only with `--format docker`: the format of OCI has none.
# Mount the configuration at /etc/gatelodge/gatelodge.yaml, with `listen: 0.0.0.0:8080` and
# `store: { use: embedded, path: /data }` and `secrets: { key: "${file:/run/secrets/gatelodge-key}" }` in it: the key is no
# part of the volume.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app/package.json ./
COPY --from=build --chown=root:root /app/node_modules ./node_modules
COPY --from=build --chown=root:root /app/dist ./dist
COPY --from=build --chown=root:root /app/templates ./templates
COPY --from=build --chown=root:root /app/assets ./assets
COPY --from=build --chown=root:root /app/config ./config
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/.gatelodge/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["start", "--config", "/etc/gatelodge/gatelodge.yaml"]
