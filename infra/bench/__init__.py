"""How fast the whole pipeline is beside its bare networks: ``python -m infra.bench``, written to docs/benchmarks.md."""
