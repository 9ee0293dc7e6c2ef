# `npm run test:mutation -- FILE`: shows the changes of FILE that its unit tests do not notice: tests/unit/**/test_FILE, or
# if there is none, the tests that name FILE. It works on a copy, so that a running `npm start` does not reload the mutants.
set -eu
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
cd "$copy"
name=$(basename "$1" .py)
tests=$(find tests/unit -name "test_$name.py")
tests=${tests:-$(grep -rlw --include='test_*.py' "$name" tests/unit | tr '\n' ' ')}
sed "s|FILE|$1|; s|TESTS|$tests|" tests/mutation.toml >mutation.toml
# shellcheck disable=SC2086
pytest -x -q --no-header $tests
cosmic-ray init mutation.toml mutation.sqlite
cr-filter-operators mutation.sqlite mutation.toml
cosmic-ray exec mutation.toml mutation.sqlite
cr-report --surviving-only --show-diff mutation.sqlite
