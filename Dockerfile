# The images of the project, one target each: proxmox-api, agent-api, web-ui and pve-sim. `docker compose build` makes them; the
# caches need BuildKit, which Compose v2 brings.

# The terminal emulator that pages load; nothing else comes from npm. The note tells the build that it is complete.
FROM node:22-bookworm-slim AS terminal
COPY proxmox-api/page/package.json proxmox-api/page/package-lock.json /page/
COPY web-ui/terminal/package.json web-ui/terminal/package-lock.json /terminal/
RUN --mount=type=cache,target=/root/.npm \
    for folder in /page /terminal; do \
        npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund \
        && cp "$folder/package-lock.json" "$folder/node_modules/.installed-from" \
        || exit 1; \
    done

# The toolchain that the image has, whatever rust-toolchain.toml wants beside it for development.
FROM rust:1.95.0-slim-bookworm AS toolchain
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
WORKDIR /source
COPY crates/xtask/wasm-target.sh crates/xtask/
RUN bash crates/xtask/wasm-target.sh
COPY . .
COPY --from=terminal /page/node_modules proxmox-api/page/node_modules
COPY --from=terminal /terminal/node_modules web-ui/terminal/node_modules

FROM toolchain AS services
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo build --release --locked -p proxmox-api -p agent-api -p web-ui -p pve-sim \
    && mkdir /built \
    && cp target/release/proxmox-api target/release/agent-api target/release/web-ui target/release/pve-sim /built

FROM toolchain AS interface
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo xtask web \
    && cp -r web-ui/dist /built

# What all images share. The account has a fixed number, so that files handed in from outside can be given to it.
FROM debian:bookworm-slim AS base
RUN groupadd --gid 10402 infra402 \
    && useradd --uid 10402 --gid infra402 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin infra402 \
    && install --directory --owner infra402 --group infra402 --mode 0700 /data /credentials
COPY --from=toolchain /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ENV BIND=0.0.0.0 LOG_FORMAT=json
USER 10402:10402
WORKDIR /data

FROM base AS proxmox-api
COPY --from=services /built/proxmox-api /usr/local/bin/
ENV DATABASE=/data/infra402.sqlite
EXPOSE 4021
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["proxmox-api", "health"]
ENTRYPOINT ["proxmox-api"]

FROM base AS agent-api
COPY --from=services /built/agent-api /usr/local/bin/
ENV DATA_DIR=/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["agent-api", "health"]
ENTRYPOINT ["agent-api"]

FROM base AS web-ui
COPY --from=services /built/web-ui /usr/local/bin/
COPY --from=interface /built /usr/share/infra402/web
ENV WEB_DIST=/usr/share/infra402/web
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["web-ui", "health"]
ENTRYPOINT ["web-ui"]

FROM base AS pve-sim
COPY --from=services /built/pve-sim /usr/local/bin/
ENV PVE_SIM_LISTEN=0.0.0.0:8006 PVE_SIM_STATE_FILE=/data/pve-sim.json PVE_SIM_CREDENTIALS_DIR=/credentials NO_COLOR=1
EXPOSE 8006
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["pve-sim", "--health"]
ENTRYPOINT ["pve-sim"]
