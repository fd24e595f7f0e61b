LIBS += builder-deb
builder-deb_SRCS := $(addprefix builder/deb/,armour.c packages.c release.c signature.c xz.c)
builder-deb_LIBS := builder-lock common
builder-deb_PKGS := liblzma

FUZZ += fuzz-deb822
fuzz-deb822_SRCS := qa/fuzz/deb822.c
fuzz-deb822_LIBS := builder-deb
