"""The content hash depends on the values and their order, and on nothing else."""

import numpy as np
import pyarrow as pa

from pipeline.storage.content_hash import content_sha256
from tests.pipeline.faults import table


def test_the_content_hash_depends_only_on_values() -> None:
    columns = ["name", "value"]
    wanted = content_sha256(table(0), columns)
    assert content_sha256(pa.concat_tables([table(0, 10), table(0).slice(10)]), columns) == wanted
    assert content_sha256(table(0).append_column("more", [[0] * 40]), columns) == wanted
    changed = [table(1), table(0, 39), table(0).take(np.arange(40)[::-1])]
    assert wanted not in [content_sha256(other, columns) for other in changed]
    a, b = (pa.table({"name": words}) for words in (["ab", "c"], ["a", "bc"]))
    assert content_sha256(a, ["name"]) != content_sha256(b, ["name"])
    a, b = (pa.table({"name": pa.array(w, pa.string())}) for w in (["", None], [None, ""]))
    assert content_sha256(a, ["name"]) != content_sha256(b, ["name"])
