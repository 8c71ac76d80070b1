# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Each target sets up what it needs: .venv, Debian packages (as root, through apt-get, saying so), build/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help demo serve test matrix hosts lint types sanity unit importer packages environments images integration bench docs changelog build venv user-venv clean distclean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: user-venv ## serve the example registry, unpack an image from it, and run one as a service in a container, by playbooks
	@tools/demo.sh

serve: user-venv ## serve the example registry until Ctrl-C, on PORT=1337; says what to type next
	@tools/serve.sh

# What mostly waits for downloads is beside what computes.
test: ## everything that CI runs: lint, types, unit, hosts, importer, integration, sanity
	@tools/test.sh venv+packages lint+types+importer+environments unit hosts+images integration+sanity

matrix: venv ## the sanity tests of every ansible-core and the unit tests on every Python found; names what was not
	@tools/matrix.sh

hosts: venv ## the packages that run on managed hosts, on the oldest Python found, and the modules on the newest
	@tools/matrix.sh hosts

lint: venv ## format, style, YAML, shell, docs, changelog, licences
	@tools/lint.sh

types: venv ## mypy, strict
	@tools/types.sh

sanity: venv ## ansible-test sanity, every test, nothing ignored
	@tools/sanity.sh

unit: venv ## the unit tests; ARGS= goes to pytest; COVERAGE=1 holds the coverage of each package to 80 %
	@tools/unit.sh $(ARGS)

importer: venv ## galaxy-importer on the built tarball
	@tools/importer.sh

packages: # the Debian packages of all stages
	@tools/packages.sh lint unit integration

environments: venv # those of make hosts
	@tools/matrix.sh environments

images: venv # those of make integration
	@tools/images.sh

integration: venv ## playbooks against real registries; TARGETS="a b" for some of them
	@tools/integration.sh $(TARGETS)

bench: venv ## speed and memory against skopeo, umoci, ping, nginx and others; RUNS=3, BENCH="unpack server"
	@tools/bench.sh $(BENCH)

docs: venv ## the documentation site, guides and reference, in build/docs/html
	@tools/docs.sh

changelog: venv ## CHANGELOG.md and .rst from changelogs/
	@tools/changelog.sh

build: user-venv ## the collection's tarball in build/, of the files that git tracks
	@tools/build.sh

venv:
	@tools/venv.sh dev
	@tools/tree.sh link

user-venv:
	@tools/venv.sh user
	@tools/tree.sh link

clean: ## remove what the other targets made, but not the environments and the cached images
	@tools/clean.sh

distclean: ## remove all of that too
	@tools/clean.sh --all
