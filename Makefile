# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo        install what is missing, build, run the main job on a clip drawn by the program
# make test        install what is missing, build, run the tests
# make x265-hook   prepare libx265's entropy coder with the bin hook (done by the two above when it can be)
# make install     install the program (PREFIX=/usr/local)

SWIFT ?= swift
PREFIX ?= /usr/local
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: demo test build deps x265-hook install clean

demo: build
	.build/release/veil demo -o demo

test: deps
	$(SWIFT) test -c release -Xswiftc -enable-testing

build: deps
	$(SWIFT) build -c release --product veil

deps:
	@Scripts/install-dependencies $(SUDO)
	@Scripts/prepare-x265-hook || echo "x265 stays without the bin hook: the base layer will be encrypted after it, with the same bytes"

x265-hook:
	Scripts/prepare-x265-hook

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 .build/release/veil $(DESTDIR)$(PREFIX)/bin/veil

clean:
	rm -rf .build demo
