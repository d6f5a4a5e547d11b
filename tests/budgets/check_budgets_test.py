"""Feeds the checker what cuobjdump printed of kernels with known faults (samples/).

    check_budgets_test.py OCCUPANCY_PROGRAM
"""

import sys
import unittest
from dataclasses import replace
from pathlib import Path

import check_budgets
import cuobjdump

SAMPLES = Path(__file__).with_name("samples")


def read_samples():
    dumps = [(SAMPLES / f"{name}.txt").read_text() for name in ("resources", "elf", "sass")]
    return cuobjdump.parse(*dumps, cuobjdump.demangle)


class CheckerTest(unittest.TestCase):
    occupancy_program = None

    def setUp(self):
        self.kernels = read_samples()
        self.occupancies = check_budgets.read_occupancies(self.occupancy_program, self.kernels)

    def failures(self, name, **changes):
        """Those of one sample, with a budget that allows what the clean kernel needs."""
        chosen = [i for i, kernel in enumerate(self.kernels) if kernel.name == "sample::" + name]
        self.assertEqual(len(chosen), 2, "the samples are of two architectures")
        budget = check_budgets.Budget(pattern="sample::" + name, threads=64, registers=40,
                                      shared=1100, occupancy=50, float64=False)
        return check_budgets.check([self.kernels[i] for i in chosen],
                                   [replace(budget, **changes)], [75, 90],
                                   [self.occupancies[i] for i in chosen])

    def assert_fault(self, failures, text):
        """The same fault on both architectures, and no other."""
        self.assertEqual(len(failures), 2, failures)
        for failure, architecture in zip(failures, ("sm_75", "sm_90")):
            self.assertIn(architecture, failure)
            self.assertIn(text, failure)

    def test_a_clean_kernel_passes(self):
        self.assertEqual(self.failures("clean_kernel"), [])

    def test_integer_atomics_pass(self):
        self.assertEqual(self.failures("integer_atomic_kernel"), [])

    def test_float_atomics(self):
        self.assert_fault(self.failures("float_atomic_kernel"), "order that changes")

    def test_float_atomics_in_shared_memory(self):
        self.assert_fault(self.failures("shared_float_atomic_kernel"), "ATOMS.CAST.SPIN")

    def test_other_spellings_of_float_atomics(self):
        for opcode in ("RED.E.ADD.F64.RN.STRONG.GPU", "ATOMG.E.ADD.F32.FTZ.RN.STRONG.GPU",
                       "ATOM.E.ADD.F16x2.RN.STRONG.GPU", "REDG.E.ADD.BF16_V2.RN", "ATOMS.CAS",
                       "ATOMG.E.CAS.STRONG.GPU"):
            self.assertTrue(check_budgets.is_float_atomic(opcode), opcode)
        for opcode in ("RED.E.ADD.64.STRONG.GPU", "ATOMS.POPC.INC.32", "REDUX.SUM", "FADD.FTZ",
                       "ATOMG.E.MIN.64.STRONG.GPU"):
            self.assertFalse(check_budgets.is_float_atomic(opcode), opcode)

    def test_float64(self):
        self.assert_fault(self.failures("float64_kernel"), "DMUL")
        self.assertEqual(self.failures("float64_kernel", float64=True), [])
        for opcode in ("DADD", "DFMA", "DSETP.GT.AND", "F2F.F32.F64", "MUFU.RCP64H", "I2F.F64.S64"):
            self.assertTrue(check_budgets.is_float64(opcode), opcode)
        for opcode in ("FADD", "LDG.E.64", "IMAD.WIDE", "MUFU.RCP", "DEPBAR.LE"):
            self.assertFalse(check_budgets.is_float64(opcode), opcode)

    def test_local_memory(self):
        self.assert_fault(self.failures("local_kernel"), "32 bytes of stack")

    def test_a_spill_without_a_stack_is_seen_in_the_instructions(self):
        for kernel in self.kernels:
            kernel.stack = 0
        self.assert_fault(self.failures("local_kernel"), "LDL")

    def test_registers(self):
        self.assert_fault(self.failures("clean_kernel", registers=7), "registers")

    def test_shared_memory(self):
        self.assert_fault(self.failures("integer_atomic_kernel", shared=15), "shared memory")

    def test_occupancy(self):
        # 64 threads a block: 16 blocks of 2 warps fill sm_75, 32 of them sm_90.
        self.assertEqual(self.failures("clean_kernel", occupancy=100), [])
        self.occupancies = [99 for _ in self.occupancies]
        self.assert_fault(self.failures("clean_kernel", occupancy=100), "occupancy of 99 %")

    def test_threads_of_a_block(self):
        self.assert_fault(self.failures("clean_kernel", threads=128), "64 threads")
        self.assert_fault(self.failures("unbounded_kernel"), "no __launch_bounds__")

    def test_kernels_without_a_budget_and_budgets_without_a_kernel(self):
        failures = self.failures("clean_kernel", pattern="other_kernel")
        self.assertEqual(failures, ["sample::clean_kernel: 0 rows of the budgets match, not one",
                                    "the budget of other_kernel is of no kernel"])

    def test_two_budgets_for_a_kernel(self):
        row = check_budgets.Budget("*", 64, 99, 9999, 0, True)
        failures = check_budgets.check(self.kernels[:1], [row, row], [], self.occupancies[:1])
        self.assertIn("2 rows", failures[0])

    def test_an_architecture_that_was_not_built(self):
        chosen = [k for k in self.kernels if k.name == "sample::clean_kernel"]
        row = check_budgets.Budget("*", 64, 99, 9999, 0, True)
        self.assertEqual(check_budgets.check(chosen, [row], [75, 90, 120], [100, 100]),
                         ["sample::clean_kernel was not built for sm_120"])

    def test_dumps_that_do_not_fit(self):
        resources, elf, sass = [(SAMPLES / f"{name}.txt").read_text()
                                for name in ("resources", "elf", "sass")]
        with self.assertRaises(ValueError):
            cuobjdump.parse("", elf, sass, cuobjdump.demangle)
        with self.assertRaises(ValueError):
            cuobjdump.parse(resources, elf, sass.replace("Function :", "Fun :"),
                            cuobjdump.demangle)

    def test_names(self):
        name = "void oddity::kernels::(anonymous namespace)::f<oddity::kernels::Tile<4, 2>, true>"
        self.assertEqual(cuobjdump.short_name(name + "(float*, int (*)(int))"),
                         "f<Tile<4, 2>, true>")

    def test_architectures(self):
        self.assertEqual(check_budgets.real_architectures("75-real;90-virtual;120"), [75, 120])

    def test_instructions(self):
        text = ("# a comment\nf 64 40 0 75 -\n"
                "instructions sample::float64_kernel DMUL* 1 9\n"
                "instructions *<1, 2> LD[SG]*.128 3 999  # why\n")
        rows = check_budgets.read_instructions(text)
        self.assertEqual(rows, [check_budgets.Instructions("sample::float64_kernel", "DMUL*", 1, 9),
                                check_budgets.Instructions("*<1, 2>", "LD[SG]*.128", 3, 999)])
        self.assertEqual(len(check_budgets.read_budgets(text)), 1)
        self.assertEqual(list(check_budgets.check_instructions(self.kernels, rows[:1])), [])
        self.assertIn("of no kernel", list(check_budgets.check_instructions(self.kernels, rows))[0])
        for counts in ((0, 0), (99, 999)):
            row = check_budgets.Instructions("sample::float64_kernel", "DMUL*", *counts)
            self.assertIn(f"not {counts[0]} to {counts[1]}",
                          list(check_budgets.check_instructions(self.kernels, [row]))[0])
        for bad in ("instructions f HMMA 1", "instructions f HMMA a 2", "instructions f"):
            with self.assertRaises(ValueError):
                check_budgets.read_instructions(bad)

    def test_rows(self):
        rows = check_budgets.read_budgets("# all\nf<Tile<4, 2>, *>  64 40 0 75 -  # why\n\n"
                                          "g 32 80 10 0 float64\n")
        self.assertEqual(rows[0], check_budgets.Budget("f<Tile<4, 2>, *>", 64, 40, 0, 75, False))
        self.assertTrue(rows[1].float64)
        for bad in ("f 64 40 0 -", "f 64 40 0 75 yes", "f a 40 0 75 -"):
            with self.assertRaises(ValueError):
                check_budgets.read_budgets(bad)


if __name__ == "__main__":
    CheckerTest.occupancy_program = sys.argv.pop()
    unittest.main()
