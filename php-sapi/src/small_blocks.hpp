// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc::php {

/// Makes PHP's allocator lay out pages for every size of small blocks that it has none free of. It
/// writes to the whole of such a layout: done before a snapshot, no child has to.
void lay_out_small_blocks();

}  // namespace lwc::php
