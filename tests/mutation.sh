# `npm run test:mutation -- FILE`: shows the changes of FILE that its unit tests do not notice: tests/unit/**/test_FILE, or
# if there is none, the tests that name FILE. It works on a copy, so that a running `npm start` does not reload the mutants.
set -eu
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
git ls-files --cached --others --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
cd "$copy"
name=$(basename "$1" .py)
tests=$(find tests/unit -name "test_$name.py")
tests=${tests:-$(grep -rlw --include='test_*.py' "$name" tests/unit | tr '\n' ' ')}
# Each operator is replaced by one other, of the ten that cosmic-ray has; `|`, which is mostly that of types, by none.
cat >mutation.toml <<END
[cosmic-ray]
module-path = "$1"
test-command = "pytest -x -q -p no:cacheprovider $tests"
timeout = 20.0 # seconds: a mutant may make a test hang
distributor.name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
  "core/ReplaceBinaryOperator_(?!(Add_Sub|Sub_Add|Mul_FloorDiv|Div_Mul|FloorDiv_Mul|Mod_Mul|Pow_Mul|LShift_RShift)$)",
  "core/ReplaceComparisonOperator_(?!(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)$)",
]
END
# shellcheck disable=SC2086 # the tests may be several
pytest -x -q $tests
cosmic-ray init mutation.toml mutation.sqlite
cr-filter-operators mutation.sqlite mutation.toml
cosmic-ray exec mutation.toml mutation.sqlite
cr-report --surviving-only --show-diff mutation.sqlite
