# The commands of this repository; `make` alone lists them. Each sets up .venv first when it needs it.
.DEFAULT_GOAL := help
.PHONY: help setup lab test check format bench images lock clean

PY := .venv/bin/python

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make .venv with everything pinned (needs python3 >= 3.11); does nothing when up to date
	@sh tools/setup.sh
