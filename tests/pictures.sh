#!/bin/sh
# Checks docs/pictures: each is what scripts/diagrams.py draws, well-formed, small, with a title, without scripts or
# anything from elsewhere; and the key tree names just the labels of src/crypto/kdf.rs. Needs
# python3, else it is skipped with a line. Takes no argument.
set -eu
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || { echo 'skipped: pictures (no python3)'; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
scripts/diagrams.py "$dir"
diff -r "$dir" docs/pictures >/dev/null || {
    echo 'pictures: docs/pictures is not what scripts/diagrams.py draws; run it' >&2
    exit 1
}
python3 - docs/pictures/*.svg <<'END'
import os, sys
from xml.etree import ElementTree
for path in sys.argv[1:]:
    root = ElementTree.parse(path).getroot()
    text = open(path).read()
    names = [element.tag.split("}")[1] for element in root.iter()]
    assert os.path.getsize(path) < 15_000, f"{path} is too large"
    assert names[1:3] == ["title", "desc"], f"{path} has no title"
    assert not {"script", "image", "use", "a", "foreignObject"} & set(names), path
    assert "url(" not in text and "href" not in text and "@import" not in text, path
END
labels() { grep -oE 'kagi 2026 v1 [a-z]+' "$1" | sort -u; }
labels docs/pictures/keys.svg >"$dir/drawn"
labels src/crypto/kdf.rs | diff "$dir/drawn" - || {
    echo 'pictures: keys.svg names other labels than src/crypto/kdf.rs' >&2
    exit 1
}
echo "pictures: $(ls docs/pictures | wc -l) are as drawn, $(wc -l <"$dir/drawn") labels"
