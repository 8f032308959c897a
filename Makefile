# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo        install what is missing, build, run the main job on a clip drawn by the program
# make test        install what is missing, build, run the tests
# make check       sizes, formats, licence lines, directions of imports; no build
# make x265-hook   prepare libx265's entropy coder and lookahead: bin hook and pyramids (done by the two above when it can be)
# make bench       time Veil beside x265, ffmpeg and libde265, where they are (CLIP=film.y4m, FRAMES=48, ROUNDS=5): bench/
# make install     install program, man page, completions, C library and header (PREFIX=/usr/local)
# make uninstall   take them away again
# make deb         Debian packages that need no Swift, in packages/; make wheel: a Python wheel; make packages: both
# make docs        a site of all pages, the Swift library (by DocC), the C header and the Python package, in site/

SWIFT ?= swift
PREFIX ?= /usr/local
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BUILD := .build/release
PARTS = VEIL_PARTS="$$(Scripts/parts)"
DEST = $(DESTDIR)$(PREFIX)
VERSION := $(shell sed -n 's/.*static let version = "\(.*\)"/\1/p' Sources/Veil/VeilLibrary.swift)
# The number in the C library's soname.
ABI := $(shell sed -n 's/^#define VEIL_ABI_VERSION //p' CModules/CVeil/include/veil.h)

.PHONY: demo test check bench build deps x265-hook install uninstall static deb wheel packages docs clean check-neon

demo: build
	$(BUILD)/veil demo -o demo

test: deps
	$(PARTS) $(SWIFT) test -c release -Xswiftc -enable-testing

build: deps
	$(PARTS) $(SWIFT) build -c release --product veil

check:
	@SWIFT=$(SWIFT) Scripts/check

bench: build
	Scripts/bench $(CLIP) --frames $(or $(FRAMES),48) --rounds $(or $(ROUNDS),5)

deps:
	@Scripts/install-dependencies $(SUDO)
	@Scripts/prepare-x265-hook || echo "x265 stays without the bin hook and pyramids: the base layer will be encrypted after it, with the same bytes"

x265-hook:
	Scripts/prepare-x265-hook

install: build
	$(PARTS) $(SWIFT) build -c release --product VeilC
	install -d $(DEST)/bin $(DEST)/lib/pkgconfig $(DEST)/include $(DEST)/share/man/man1
	install -d $(DEST)/share/bash-completion/completions $(DEST)/share/zsh/site-functions $(DEST)/share/fish/vendor_completions.d
	install -m 755 $(BUILD)/veil $(DEST)/bin/veil
	install -m 755 $(BUILD)/libVeilC.so $(DEST)/lib/libVeilC.so.$(VERSION)
	ln -sf libVeilC.so.$(VERSION) $(DEST)/lib/libVeilC.so.$(ABI)
	ln -sf libVeilC.so.$(ABI) $(DEST)/lib/libVeilC.so
	install -m 644 CModules/CVeil/include/veil.h $(DEST)/include/veil.h
	printf 'Name: veil\nDescription: Selectively encrypted scalable video\nVersion: $(VERSION)\nLibs: -L$(PREFIX)/lib -lVeilC\nCflags: -I$(PREFIX)/include\n' >$(DEST)/lib/pkgconfig/veil.pc
	$(BUILD)/veil manual >$(DEST)/share/man/man1/veil.1
	$(BUILD)/veil --generate-completion-script bash >$(DEST)/share/bash-completion/completions/veil
	$(BUILD)/veil --generate-completion-script zsh >$(DEST)/share/zsh/site-functions/_veil
	$(BUILD)/veil --generate-completion-script fish >$(DEST)/share/fish/vendor_completions.d/veil.fish

uninstall:
	rm -f $(DEST)/bin/veil $(DEST)/lib/libVeilC.so $(DEST)/lib/libVeilC.so.$(ABI) $(DEST)/lib/libVeilC.so.$(VERSION) $(DEST)/include/veil.h $(DEST)/lib/pkgconfig/veil.pc $(DEST)/share/man/man1/veil.1
	rm -f $(DEST)/share/bash-completion/completions/veil $(DEST)/share/zsh/site-functions/_veil $(DEST)/share/fish/vendor_completions.d/veil.fish

static: deps
	SWIFT=$(SWIFT) Scripts/build-static

deb: static
	Scripts/make-deb packages

wheel: static
	Scripts/make-wheel packages

packages: static
	Scripts/make-deb packages
	Scripts/make-wheel packages

docs:
	SWIFT=$(SWIFT) Scripts/make-swift-docs site
	Scripts/make-docs site

clean:
	rm -rf .build .build-static demo packages site

# The NEON kernels against the plain ones on any machine with an AArch64 cross compiler and QEMU's user emulation.
check-neon:
	@mkdir -p .build
	aarch64-linux-gnu-gcc -O2 -std=gnu11 -static -ICModules/VeilKernels/include CModules/VeilKernels/*.c CModules/VeilKernels/*/*.c Tests/NeonCheck/*.c -o .build/check-neon
	qemu-aarch64-static .build/check-neon
