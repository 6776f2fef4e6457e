"""Names of the files and folders in a run folder.

run.json              what defines each image; written once
recipe.json           the recipe of the last command (metrics, ranking ...); not identity
grid/0000.json ...    blocks of cells and the prompts they added; append-only
token                 random text that every actor must find: proves that the folder is shared
canary.json           one drawn cell that every actor must reproduce
images/               image shards, and nothing else: other programs may read the whole folder
rest/                 imported images that are not part of the grid, as shards
import.json           what an import found: settings, what was left out and why
latents/              kept latents, where the recipe sets `keep_latents`
features/<name>-<id>/ feature shards
receipts/             what proves that shards are complete: `receipts/images/...`, and so on
manifests/            copies of all receipts of a kind in one table; may be removed
attempts/             shards that are being written, or were when a process was interrupted
superseded/           shards that were set aside, because they were damaged or out of date
drivers/              processes that work on the run, and the shards that each has claimed
logs/                 what each shard used, and why it failed; may be removed
per_seed.parquet, ranking.json, search.json, studies/, releases/   derived; rebuilt at any time
wanted/               recipes of what a study lacked
report/               the report, as a web page; may be removed
classifiers/          checkpoints of seed classifiers; may be removed

The condition images of the prompts lie in `conditions/`, as they do next to a prompt file; that
name is in `pipeline.prompts.conditions`.
"""

RUN_FILE = "run.json"
RECIPE_FILE = "recipe.json"
TOKEN_FILE = "token"
CANARY_FILE = "canary.json"
GRID_FOLDER = "grid"
IMAGES_FOLDER = "images"
REST_FOLDER = "rest"
IMPORT_FILE = "import.json"
LATENTS_FOLDER = "latents"
FEATURES_FOLDER = "features"
DRIVERS_FOLDER = "drivers"
CLAIMS_FOLDER = "drivers/claims"
LOGS_FOLDER = "logs"
PER_SEED_FILE = "per_seed.parquet"
RANKING_FILE = "ranking.json"
SEARCH_FILE = "search.json"
STUDIES_FOLDER = "studies"
CLASSIFIERS_FOLDER = "classifiers"
RELEASES_FOLDER = "releases"
WANTED_FOLDER = "wanted"
REPORT_FOLDER = "report"
