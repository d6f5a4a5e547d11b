#!/usr/bin/env bash
# Makes the README's picture of a report, apps/data/pictures/report.png, from the report of cmake/demo.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[[ -f $root/output/report.html ]] || { echo "there is no output/report.html: run bash cmake/demo.sh" >&2; exit 1; }
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
  --force-device-scale-factor=1 --window-size=1240,1150 \
  --screenshot="$root/apps/data/pictures/report.png" "file://$root/output/report.html" 2>/dev/null
echo "apps/data/pictures/report.png"
