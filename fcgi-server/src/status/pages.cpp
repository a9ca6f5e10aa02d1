// SPDX-License-Identifier: Apache-2.0
#include "status/pages.hpp"

#include "status/formats.hpp"
#include "status/live_page.hpp"

namespace lwc::status {
namespace {

constexpr const char* kExpires = "Expires: Thu, 01 Jan 1970 00:00:00 GMT";
constexpr const char* kDoNotCache = "Cache-Control: no-cache, no-store, must-revalidate, max-age=0";

Format chosen_format(const php::OwnPageRequest& request) {
  // In php-fpm's order: the first that is asked for wins.
  if (request.asked_for("html")) {
    return Format::Html;
  }
  if (request.asked_for("xml")) {
    return Format::Xml;
  }
  if (request.asked_for("json")) {
    return Format::Json;
  }
  return request.asked_for("openmetrics") ? Format::OpenMetrics : Format::Text;
}

}  // namespace

const php::OwnPage* Pages::find(const php::OwnPageRequest& request) {
  if (!options_.ping_path.empty() && options_.ping_path == request.uri) {
    return ping();
  }
  if (!options_.status_path.empty() && options_.status_path == request.uri) {
    return status(request);
  }
  return nullptr;
}

const php::OwnPage* Pages::ping() {
  page_ = {{"Content-Type: text/plain", kExpires, kDoNotCache}, options_.ping_response};
  return &page_;
}

const php::OwnPage* Pages::status(const php::OwnPageRequest& request) {
  if (request.head_only) {
    page_ = {{kExpires, kDoNotCache, nullptr}, {}};
    return &page_;
  }
  const Format format = chosen_format(request);
  if (format == Format::Text && request.asked_for("live")) {
    page_ = {{kExpires, kDoNotCache, content_type_line(Format::Html)}, live_page()};
    return &page_;
  }
  const bool full = request.asked_for("full");
  // Tools that read php-fpm's page look at the whole of it, but of the text they look at lines.
  const bool own = full || format == Format::Text || request.asked_for("lwc");
  body_ = render(format, read_figures(board_, full), {full, own});
  page_ = {{kExpires, kDoNotCache, content_type_line(format)}, body_};
  return &page_;
}

}  // namespace lwc::status
