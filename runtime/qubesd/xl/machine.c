/* What the machine can do: see xl.h. */
#include <libxl.h>

#include "runtime/qubesd/xl/xl.h"

int xl_machine_read(libxl_ctx *ctx, struct xl_machine *m)
{
	libxl_physinfo info;
	int r;

	libxl_physinfo_init(&info);
	r = libxl_get_physinfo(ctx, &info);
	*m = (struct xl_machine){.hvm = !r && info.cap_hvm, .iommu = !r && info.cap_hvm_directio};
	libxl_physinfo_dispose(&info);
	return r;
}
