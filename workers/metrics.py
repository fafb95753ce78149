"""What a worker tells Prometheus. The names say the unit; none carries patient data."""

from prometheus_client import Counter, Gauge, Summary

IMAGES = Counter("dermatrail_worker_images_total", "Images settled, by how", ["outcome"])
FETCH_SECONDS = Summary("dermatrail_worker_fetch_seconds", "Reading one original from the object store")
PREPARE_SECONDS = Summary("dermatrail_worker_prepare_seconds", "Decoding and preprocessing one image")
MODEL_SECONDS = Summary("dermatrail_worker_model_seconds", "Both networks on one batch")
MODEL_WAITING_SECONDS = Summary("dermatrail_worker_model_waiting_seconds", "The model thread waiting for a prepared batch")
STORE_SECONDS = Summary("dermatrail_worker_store_seconds", "Storing mask and thumbnail of one image")
SETTLE_SECONDS = Summary("dermatrail_worker_settle_seconds", "The transaction that settles one batch")
SWEPT = Counter("dermatrail_worker_swept_total", "Jobs taken back from dead workers, by what became of them", ["outcome"])
SHADOWED = Counter("dermatrail_worker_shadow_total", "Images scored by versions that are not served, by how", ["outcome"])
TILED = Counter("dermatrail_worker_tiles_total", "Large pictures cut into tiles, by how it went", ["outcome"])
REMINDED = Counter("dermatrail_worker_reminders_total", "Reminders of follow-ups given to portals, by kind", ["kind"])
SERVING = Gauge("dermatrail_worker_serving", "1 while the champions are loaded, 0 while jobs wait because they cannot be")
TRAILS = Counter("dermatrail_change_trails_total", "Lesions whose trail was looked at, by how it went", ["outcome"])
TRAILS_WAITING = Gauge("dermatrail_change_trails_waiting", "Cases whose trail is due")
COMPARISONS = Counter("dermatrail_change_comparisons_total", "Visits compared, by what came of it: valid, or why not", ["outcome"])
COMPARISON_SECONDS = Summary("dermatrail_change_comparison_seconds", "Comparing two visits, with what is measured for it")
