"""Adds the bytecode of every module to a Lambda package; `sls package` and `sls deploy` run this.

Lambda's file system is read-only, so a module without valid bytecode is compiled again at each cold start. Bytecode
that records the time of its source becomes invalid when a zip rounds that time. So Python is told never to compare it
with the source, which does not change in a package: https://peps.python.org/pep-0552/ (unchecked hash-based).
"""

import compileall
import sys
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode

UNPACKED_IN_LAMBDA = "/var/task"
EXECUTABLE, READABLE = 0o100755, 0o100644


def add_bytecode(package: Path) -> None:
    """Add the bytecode of this Python to a package. The same content gives the same bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(package) as old:
            old.extractall(folder)
        compiled = compileall.compile_dir(
            folder,
            quiet=1,
            # If the bytecode names another source file than Lambda's, each import corrects it, which takes time.
            stripdir=name,
            prependdir=UNPACKED_IN_LAMBDA,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            raise SystemExit("A module cannot be compiled.")
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(
                    str(path.relative_to(folder))
                )  # dated 1980-01-01, the first day that a zip can hold
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (EXECUTABLE if path.suffix == ".so" else READABLE) << 16
                new.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    add_bytecode(Path(sys.argv[1]))
