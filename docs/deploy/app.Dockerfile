# An application's image that carries kagi, and the values encrypted; the key comes in when it starts.
#   docker build -f app.Dockerfile -t app .
#   docker run --read-only -v /etc/app/ci.key:/run/secrets/kagi_identity:ro app
# ci.key is of `kagi member add --name app --only api/production`, and readable by 65532 alone. Never COPY it, nor
# pass it as a build argument or with `-e`: layers and `docker inspect` show those.
FROM debian:bookworm-slim
COPY --from=kagi:0.1.0 /kagi /kagi
WORKDIR /app
COPY .kagi .kagi
COPY server server
USER 65532:65532
ENV KAGI_IDENTITY_FILE=/run/secrets/kagi_identity
# kagi becomes the server, which gets the signals itself and is told of no key; but the file stays readable to it.
ENTRYPOINT ["/kagi", "run", "api", "production", "--"]
CMD ["/app/server"]
