"""Holds OpenAPI documents, given as files, against the specification. Says what is wrong on standard error."""

import sys

import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

wrong = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    checker = OpenAPIV30SpecValidator if document["openapi"].startswith("3.0") else OpenAPIV31SpecValidator
    for error in checker(document).iter_errors():
        wrong += 1
        print(f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:500]}", file=sys.stderr)
sys.exit(wrong > 0)
