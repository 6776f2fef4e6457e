"""Write the JSON Schemas of a release's documents, which follow from the classes in the code.

Run it with `python docs/tools/schemas.py`; `make docs` does. A test compares them.
"""

import json

from analysis.publish.release import formats

FOLDER = formats.__file__.rpartition("/")[0] + "/schemas"


def make_schema(document_format: str) -> bytes:
    """Make the schema of a document, as JSON."""
    schema = formats.FORMATS[document_format].model_json_schema(by_alias=True)
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    text = json.dumps({**dialect, **schema, "title": document_format}, indent=1)
    return f"{text}\n".encode()


if __name__ == "__main__":
    for document_format, name in formats.SCHEMA_FILES.items():
        with open(f"{FOLDER}/{name}", "wb") as file:  # noqa: PTH123 - a script of one line
            file.write(make_schema(document_format))
