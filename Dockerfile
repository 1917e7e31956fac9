# pg_net in the official image of PostgreSQL; TAG picks one that is of Debian:
#   docker build --build-arg TAG=17 -t postgres-pg_net .
ARG TAG=17

FROM postgres:${TAG} AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential libc-ares-dev libcurl4-openssl-dev libnghttp2-dev libssl-dev zlib1g-dev \
      "postgresql-server-dev-$PG_MAJOR"
ENV PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
COPY . /pg_net
WORKDIR /pg_net
RUN make clean && make -j"$(nproc)" with_llvm=no && make install with_llvm=no docdir= DESTDIR=/installed

FROM postgres:${TAG}
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
      libc-ares2 libcurl4 libnghttp2-14 \
 && rm -rf /var/lib/apt/lists/* \
 && echo "shared_preload_libraries = 'pg_net'" >>/usr/share/postgresql/postgresql.conf.sample
COPY --from=build /installed/ /
