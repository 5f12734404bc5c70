#!/bin/sh
# Regenerates go.mod and go.sum for the versions below. Kubernetes keeps its
# staging modules behind `replace` lines, which every user must repeat.
set -eu
cd "$(dirname "$0")"
kubernetes=1.36.3
etcd=3.6.8
coredns=1.14.7
metrics_server=0.9.0

kubernetes_dir=$(GOFLAGS=-mod=mod GO111MODULE=on go list -m -f '{{.Dir}}' "k8s.io/kubernetes@v$kubernetes")
go_version=$(sed -n 's/^go //p' "$kubernetes_dir/go.mod")
staging=$(sed -n 's/^[[:space:]]*\(replace \)\?\(k8s\.io\/[a-z-]*\) => \.\/staging.*/\2/p' "$kubernetes_dir/go.mod")

{
	printf 'module sluice.dev/tests/kubernetes\n\ngo %s\n\n' "$go_version"
	printf 'require (\n'
	printf '\tk8s.io/kubernetes v%s\n' "$kubernetes"
	printf '\tgo.etcd.io/etcd/server/v3 v%s\n' "$etcd"
	printf '\tgithub.com/coredns/coredns v%s\n' "$coredns"
	printf '\tsigs.k8s.io/metrics-server v%s\n' "$metrics_server"
	printf ')\n\nreplace (\n'
	for module in $staging; do
		printf '\t%s => %s v0.%s\n' "$module" "$module" "${kubernetes#1.}"
	done
	printf ')\n'
} > go.mod
go mod tidy
