"""Makes gpu.json and gpu.md of what cmake/gpu-check.sh left in logs/.

    report.py FOLDER
"""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


def read_parts(text):
    """Lines of name, result, seconds, remark, separated by tabs."""
    parts = []
    for line in text.splitlines():
        name, result, seconds, remark = line.split("\t")
        parts.append({"name": name, "result": result, "seconds": int(seconds), "remark": remark})
    return parts


def read_samples(logs):
    """The rounds of the benchmarks, joined: a row a measurement, with all its samples. What a round
    could not measure, with its reason. A file that is not whole is of a round that failed."""
    samples = defaultdict(list)
    missing = {}
    programs = {}
    for path in sorted(logs.glob("bench_*_*.json")):
        try:
            run = json.loads(path.read_text())
        except ValueError:
            continue
        programs[run["program"]] = run["device"]
        for m in run["measurements"]:
            key = (m["what"], m["unit"], m["precision"], run["program"], m["mode"])
            samples[key].append(m["value"])
        for what, reason in run["not_available"].items():
            missing[f"{run['program']} {what}"] = reason
    rows = [{"what": what, "precision": precision, "program": program, "mode": mode, "unit": unit,
             "samples": values, "median": statistics.median(values)}
            for (what, unit, precision, program, mode), values in sorted(samples.items())]
    return programs, rows, missing


def selftest_lines(logs):
    """How many operations `oddity selftest --json` compared, and which failed."""
    for path in sorted(logs.glob("selftest-*.log")):
        text = path.read_text()
        try:
            results = json.loads(text[text.index("{"):text.rindex("}") + 1])["results"]
        except (ValueError, KeyError):
            continue
        bad = [row["operation"] for row in results if not row["passed"]]
        yield (f"{path.stem}: {len(results)} operations, " +
               ("all within their tolerance" if not bad else f"FAILED: {'; '.join(bad)}"))


def number(value):
    """Three or four digits that count."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def markdown(result):
    lines = [f"# Oddity on {result['device'] or 'an unknown device'}", "",
             f"Commit {result['commit']}; {result['driver'] or 'driver unknown'}.", ""]
    lines += [f"- {line}" for line in result["selftests"]] + ([""] if result["selftests"] else [])
    lines += ["| part | result | seconds | remark |", "| --- | --- | ---: | --- |"]
    lines += [f"| {p['name']} | {p['result']} | {p['seconds']} | {p['remark']} |"
              for p in result["parts"]]
    if result["measurements"]:
        lines += ["", "| measured | precision | program | mode | median | unit | samples |",
                  "| --- | --- | --- | --- | ---: | --- | --- |"]
        lines += [f"| {m['what']} | {m['precision']} | {m['program']} | {m['mode']} "
                  f"| {number(m['median'])} | {m['unit']} "
                  f"| {' '.join(number(value) for value in m['samples'])} |"
                  for m in result["measurements"]]
    if result["not_available"]:
        lines += [""] + [f"- not measured: {what}: {reason}"
                         for what, reason in sorted(result["not_available"].items())]
    return "\n".join(lines) + "\n"


def driver():
    """Name and driver of the first card, as nvidia-smi has them; empty without it."""
    try:
        output = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, check=True, timeout=20).stdout
        name, version = output.splitlines()[0].split(", ")
        return f"{name}, driver {version}"
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return ""


def device(logs):
    """What `oddity info` calls the first card."""
    path = logs / "info.log"
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("device") and "cuda:0 (" in line:
                return line.split("(", 1)[1][:-1]
    return ""


def collect(folder):
    logs = folder / "logs"
    programs, rows, missing = read_samples(logs)
    parts = read_parts((logs / "parts.tsv").read_text())
    return {"commit": (logs / "commit").read_text().strip(), "device": device(logs),
            "driver": driver(), "passed": all(p["result"] != "FAILED" for p in parts),
            "selftests": list(selftest_lines(logs)), "parts": parts, "programs": programs,
            "measurements": rows, "not_available": missing}


def main():
    folder = Path(sys.argv[1])
    result = collect(folder)
    (folder / "gpu.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "gpu.md").write_text(markdown(result))


if __name__ == "__main__":
    main()
