FROM python:3.13-slim
RUN apt-get -q -o APT::Sandbox::User=root update \
    && apt-get -q -o APT::Sandbox::User=root install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /etc/redis
USER 999:999
EXPOSE 6379
CMD ["redis-server"]
