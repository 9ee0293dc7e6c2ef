"""Puts the bytecode of every module into a Lambda package, where it stays valid; `sls package` and `deploy` run this.

Lambda's file system is read-only: what a package lacks in valid bytecode is compiled again at each cold start. Bytecode
that names the time of its source is stale as soon as a zip has rounded that time. This one is never compared with its
source ("unchecked hash-based", PEP 552), which nobody can change in a package either, and so not even read.
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
    """Rewrite the package, with the bytecode of this Python; the same content makes the same bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(package) as old:
            old.extractall(folder)
        compiled = compileall.compile_dir(
            folder,
            quiet=1,
            # A module's bytecode names the file it comes from; if that is another one, each import rewrites it.
            stripdir=name,
            prependdir=UNPACKED_IN_LAMBDA,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            raise SystemExit("A module cannot be compiled.")
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(str(path.relative_to(folder)))  # with the time that zip's calendar begins at
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (EXECUTABLE if path.suffix == ".so" else READABLE) << 16
                new.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    add_bytecode(Path(sys.argv[1]))
