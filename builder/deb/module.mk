LIBS += builder-deb
builder-deb_SRCS := $(addprefix builder/deb/,deb822.c packages.c release.c)
builder-deb_LIBS := builder-lock common
