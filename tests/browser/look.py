"""Opens reports in headless Chromium and fails where the console speaks, anything is fetched, or a page is too wide.

    python3 tests/browser/look.py PAGE... --out DIR [--chromium chromium]

Leaves DIR/<page>-<light|dark>-<width>.png.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = {390: 2400, 1280: 1800}  # of a phone and a desk; how much of the page's height is shown


def run(chromium, scratch, options, url):
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               "--disable-extensions", "--disable-background-networking", "--disable-sync",
               "--disable-component-update", f"--user-data-dir={scratch}/profile",
               # Whatever the page might ask for does not leave the machine.
               "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def requests(log):
    """Every address that a page asked for, from Chromium's log of the network. What the browser asks for by
    itself has no origin."""
    text = log.read_text(errors="replace")
    if not text.rstrip().endswith("}"):  # cut off when the browser ended
        text = text.rstrip().rstrip(",") + "]}"
    events = json.loads(text)
    kinds = events["constants"]["logEventTypes"]
    started = kinds["URL_REQUEST_START_JOB"]
    return {event["params"]["url"] for event in events["events"]
            if event["type"] == started and "url" in event.get("params", {})
            and event["params"].get("initiator", "not an origin") != "not an origin"}


def overflow(chromium, page, width, height):
    """By how many pixels a page is wider than its window; measured by a script in a copy of the page."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.html"
        html = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page.read_text())
        measure = ("<script>document.body.dataset.wide = "
                   "document.documentElement.scrollWidth - window.innerWidth</script></body>")
        copy.write_text(html.replace("</body>", measure))
        result = run(chromium, scratch, [f"--window-size={width},{height}", "--dump-dom"], copy.as_uri())
        found = re.search(r'data-wide="(-?\d+)"', result.stdout)
        return int(found.group(1)) if found else None


def look(chromium, page, out):
    problems = []
    address = page.resolve().as_uri()
    for width, height in WIDTHS.items():
        wide = overflow(chromium, page, width, height)
        if wide is None or wide > 0:
            problems.append(f"{page.name}, {width} wide: the page is {wide} pixels wider than its window")
        for theme in ("light", "dark"):
            with tempfile.TemporaryDirectory() as scratch:
                log = Path(scratch) / "net.json"
                picture = out / f"{page.stem}-{theme}-{width}.png"
                options = [f"--window-size={width},{height}", f"--screenshot={picture}", f"--log-net-log={log}"]
                if theme == "dark":
                    options.append("--blink-settings=preferredColorScheme=0")
                else:
                    options.append("--blink-settings=preferredColorScheme=1")
                result = run(chromium, scratch, options, address)
                name = f"{page.name}, {theme}, {width} wide"
                if result.returncode != 0 or not picture.exists():
                    problems.append(f"{name}: no screenshot: {result.stderr[-2000:]}")
                    continue
                for line in result.stderr.splitlines():
                    if "CONSOLE" in line:
                        problems.append(f"{name}: the console says: {line}")
                for url in sorted(requests(log)):
                    if re.match(r"https?:|wss?:|ftp:", url):
                        problems.append(f"{name}: asked for {url}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--chromium", default="chromium")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    problems = []
    for page in arguments.pages:
        problems += look(arguments.chromium, page, arguments.out)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(arguments.pages)} pages, {len(WIDTHS) * 2} views each: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
