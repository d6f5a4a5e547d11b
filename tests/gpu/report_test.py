"""The report of cmake/gpu-check.sh from made-up results: there is no GPU here to give real ones."""

import json
import tempfile
import unittest
from pathlib import Path

import report


def bench(program, value, missing=None):
    return json.dumps({"program": program, "device": "Card", "not_available": missing or {},
                       "measurements": [{"what": "training epoch", "precision": "fp32",
                                         "mode": "graphs", "unit": "ms", "value": value}]})


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.write("commit", "abcdef0123\n")
        self.write("info.log", "oddity 1\ndevice       cpu (2 threads)\n"
                               "device       cuda:0 (Card, sm_90, 80 GiB, tf32 (cuDNN 9.19.0))\n")
        self.write("parts.tsv", "info\tpassed\t1\t\ngpu_tests\tFAILED\t9\texit code 1\n")

    def write(self, name, text):
        (self.logs / name).write_text(text)

    def test_the_median_of_all_rounds(self):
        for i, value in enumerate((5.0, 3.0, 4.0)):
            self.write(f"bench_oddity_{i}.json", bench("oddity", value))
            self.write(f"bench_torch_{i}.json", bench("PyTorch 2", 10 * value))
        result = report.collect(self.root)
        self.assertEqual([(m["program"], m["median"], m["samples"])
                          for m in result["measurements"]],
                         [("PyTorch 2", 40, [50, 30, 40]), ("oddity", 4, [5, 3, 4])])
        text = report.markdown(result)
        self.assertIn("| training epoch | fp32 | oddity | graphs | 4 | ms | 5 3 4 |", text)
        self.assertIn("Card, sm_90, 80 GiB, tf32 (cuDNN 9.19.0)", text)
        self.assertIn("abcdef0123", text)

    def test_failures_are_told(self):
        result = report.collect(self.root)
        self.assertFalse(result["passed"])
        self.assertIn("| gpu_tests | FAILED | 9 | exit code 1 |", report.markdown(result))

    def test_a_round_that_was_cut_off_spoils_no_other(self):
        self.write("bench_oddity_1.json", bench("oddity", 5.0))
        self.write("bench_oddity_2.json", '{"program": "odd')
        self.write("bench_oddity_3.json", "")
        self.assertEqual(report.collect(self.root)["measurements"][0]["samples"], [5.0])

    def test_what_could_not_be_measured_has_its_reason(self):
        self.write("bench_oddity_1.json", bench("oddity", 5.0, {"tf32": "cuDNN is missing"}))
        self.assertIn("- not measured: oddity tf32: cuDNN is missing",
                      report.markdown(report.collect(self.root)))

    def test_selftests(self):
        row = {"operation": "dense 3x4", "passed": True}
        self.write("selftest-fp32.log", "device: Card\n" + json.dumps({"results": [row]}))
        self.write("selftest-tf32.log", json.dumps({"results": [row, {**row, "passed": False}]}))
        self.write("selftest-bad.log", "error: no")
        text = report.markdown(report.collect(self.root))
        self.assertIn("- selftest-fp32: 1 operations, all within their tolerance", text)
        self.assertIn("- selftest-tf32: 2 operations, FAILED: dense 3x4", text)


if __name__ == "__main__":
    unittest.main()
