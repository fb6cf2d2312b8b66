#!/bin/sh
# Train in the background with settings that matter on a shared CPU: idle threads sleep instead of spinning, and
# freed memory is kept, in huge pages (15-20 % faster steps than glibc's defaults).
# Usage: training/background.sh LOG vae|pool|dit ARGUMENTS...
log=$1
shift
export OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=67108864
exec setsid nohup nice -n 19 "${PYTHON:-python}" -m training "$@" >>"$log" 2>&1
