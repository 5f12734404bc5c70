"""Every agreed field is there, with its default, and no other.

The table repeats the project's list of fields by hand: who adds or removes one has to change it here too, on purpose.
"""

from pathlib import Path

import pytest
import yaml

from tests.crds.test_crd import CRDS, nodes, schema_of

# One line each: path, and the default where the schema has one. What ends in [] is a list; leaves only.
FIELDS = {
    "providerpolicies": """
        provider, enabled = true, baseURL
        serviceRef.name, serviceRef.port, serviceRef.path, serviceRef.scheme = http
        credentials.secretRef.name, credentials.secretRef.key, headers[].name, headers[].value
        openai.organization, openai.project, azure.apiVersion
        google.vertex.project, google.vertex.location
        compatibility.unsupportedParameters[], compatibility.usageInStream = true, compatibility.maxTokensField
        compatibility.wireShape
        parameterPolicy = strict
        models[].name, models[].displayName, models[].description, models[].contextWindow, models[].maxOutputTokens
        models[].capabilities[], models[].quality
        models[].pricing.inputPerMillion, models[].pricing.outputPerMillion, models[].pricing.cachedInputPerMillion
        models[].pricing.cacheWritePerMillion, models[].pricing.reasoningPerMillion
        discovery.enabled = false, discovery.intervalSeconds = 300
        timeouts.connectSeconds = 5, timeouts.firstByteSeconds = 60, timeouts.idleSeconds = 60
        timeouts.totalSeconds = 600
        retry.maxRetries = 2, retry.baseDelayMilliseconds = 1000, retry.maxDelayMilliseconds = 10000
        retry.budgetPercent = 20
        circuitBreaker.failureThreshold = 5, circuitBreaker.windowSeconds = 60, circuitBreaker.openSeconds = 60
        circuitBreaker.halfOpenRequests = 1, circuitBreaker.slowCallSeconds
        rateLimit.requestsPerMinute, rateLimit.tokensPerMinute, rateLimit.maxConcurrent
        rateLimit.queue.maxDepth = 100, rateLimit.queue.maxWaitMilliseconds = 5000
        healthCheck.enabled = true, healthCheck.intervalSeconds = 300, healthCheck.timeoutSeconds = 10
        healthCheck.failureThreshold = 3, healthCheck.successThreshold = 1, healthCheck.model
        imageFetch.enabled = false, imageFetch.maxBytes = 5242880, imageFetch.timeoutSeconds = 10
        mock.seed = 0, mock.latencyMilliseconds = 0, mock.tokensPerSecond, mock.errorPercent = 0
        mock.errorStatus = 500, mock.cutAfterFrames
    """,
    "modelroutes": """
        gatewayRef.name = sluice-gateway, gatewayRef.namespace, models[]
        targets[].provider, targets[].model, targets[].weight = 1, targets[].priority = 0
        strategy = priority, allowedStrategies[]
        scoring.cost = 30, scoring.latency = 40, scoring.capability = 30, stickiness = none
        fallback.enabled = true, fallback.maxTargets = 5
        hedging.enabled = false, hedging.afterPercentile = 95, hedging.maxExtraPercent = 5
        timeouts.firstByteSeconds, timeouts.totalSeconds
        limits[].name, limits[].per, limits[].requests, limits[].tokens, limits[].concurrent, limits[].window
        limits[].timeZone = UTC, limits[].onStoreFailure = open
        cachePolicy
        autoscaling.minReplicas = 2, autoscaling.maxReplicas = 10, autoscaling.cpuPercent = 70
        autoscaling.inFlightPerPod, autoscaling.tokensPerSecondPerPod
    """,
    "cachepolicies": """
        mode = exact, ttlSeconds = 3600, scope = consumer, maxEntries = 10000, maxEntryBytes = 1048576
        maxTemperature = "2"
        semantic.threshold = "0.08", semantic.guards = default, semantic.maxPromptTokens = 200
        semantic.maxTemperature = "1", semantic.deadlineMilliseconds, semantic.maxWrongRate = "0.02"
        semantic.embedder.type = local, semantic.embedder.provider, semantic.embedder.model
        semantic.embedder.dimensions
        shadow.samplePercent = 5, shadow.judge.route
        store.managed.memory = 256Mi, store.managed.image, store.managed.retain = Delete
        store.managed.resources.requests.cpu, store.managed.resources.requests.ephemeral-storage
        store.managed.resources.limits.cpu, store.managed.resources.limits.ephemeral-storage
        store.managed.persistence.enabled = false, store.managed.persistence.size
        store.managed.persistence.storageClassName
        store.external.address, store.external.tls = false, store.external.secretRef.name
        store.external.secretRef.usernameKey, store.external.secretRef.passwordKey = password
        warm[].configMapRef.name, warm[].configMapRef.key, warm[].requestsPerMinute = 60
        purge = 0
    """,
}


def listed(kind: str) -> dict[str, object]:
    """The table's fields with their defaults; None where there is none."""
    entries = [entry.strip() for line in FIELDS[kind].strip().splitlines() for entry in line.split(",")]
    split = [entry.partition(" = ") for entry in entries]
    return {path: yaml.safe_load(default) if default else None for path, _, default in split}


def generated(file: Path) -> dict[str, object]:
    """The CRD's leaves below spec with their defaults."""
    spec = schema_of(file)["properties"]["spec"]
    return {path: node.get("default") for path, node in nodes(spec) if node["type"] not in {"object", "array"}}


@pytest.mark.parametrize("kind", FIELDS)
def test_fields_and_defaults(kind: str) -> None:
    assert generated(CRDS / f"{kind}.sluice.dev.yaml") == listed(kind)


def test_the_memory_store_has_no_settings() -> None:
    store = schema_of(CRDS / "cachepolicies.sluice.dev.yaml")["properties"]["spec"]["properties"]["store"]
    assert store["properties"]["memory"]["properties"] == {}
