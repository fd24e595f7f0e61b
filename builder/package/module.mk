builder_SRCS += $(addprefix builder/package/,package.c stage.c unit.c page.c make.c)

TESTS += test-package
test-package_SRCS := builder/tests/test_package.c
test-package_LIBS := builder
