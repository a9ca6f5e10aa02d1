#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes live_page.cpp, which has live.html in it:  embed.py INPUT OUTPUT"""

import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text(encoding="ascii")
assert ')page"' not in text
Path(sys.argv[2]).write_text(f"""// SPDX-License-Identifier: Apache-2.0
#include "status/live_page.hpp"

namespace lwc::status {{

std::string_view live_page() {{
  return R"page({text})page";
}}

}}  // namespace lwc::status
""")
