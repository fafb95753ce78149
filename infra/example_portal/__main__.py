"""``python -m infra.example_portal URL KEY``: run the example portal beside a Dermatrail, with a webhook of its own."""

import argparse
import sys
import tempfile
from pathlib import Path

import httpx

from infra.example_portal.app import create_app
from services.client import Client, DermatrailError


def main() -> int:
    """Make the webhook, serve until Ctrl-C, remove it again."""
    parser = argparse.ArgumentParser(prog="python -m infra.example_portal", description=__doc__)
    parser.add_argument("url", help="of Dermatrail's intake")
    parser.add_argument("key", help="of a portal; a sandbox is the place to try")
    parser.add_argument("--port", type=int, default=5100, help="of this portal (5100)")
    options = parser.parse_args()
    receiver = f"http://127.0.0.1:{options.port}/webhooks"
    with Client(options.url, options.key) as client, tempfile.TemporaryDirectory() as folder:
        api = httpx.Client(base_url=options.url, headers={"Authorization": f"Bearer {options.key}"})
        try:
            print(f"connected as {client.portal().name}")
            made = api.post("/v1/webhooks", json={"url": receiver, "description": "example portal"})
        except (DermatrailError, httpx.HTTPError) as error:
            print(f"example portal: {error}", file=sys.stderr)
            return 1
        if made.status_code != 201:
            print(f"example portal: {made.json().get('detail', made.text)}", file=sys.stderr)
            return 1
        print(f"portal     http://127.0.0.1:{options.port}", flush=True)
        try:
            app = create_app(client=client, secrets=[made.json()["secret"]], path=Path(folder) / "portal.sqlite")
            app.run(host="127.0.0.1", port=options.port)
        finally:
            api.delete(f"/v1/webhooks/{made.json()['id']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
