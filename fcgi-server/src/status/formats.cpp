// SPDX-License-Identifier: Apache-2.0
#include "status/formats.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "status/escape.hpp"
#include "status/openmetrics.hpp"

namespace lwc::status {
namespace {

constexpr std::size_t kTextColumn = 22;

std::string no_escape(std::string_view text) {
  return std::string(text);
}

std::string date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm broken_down{};
  ::localtime_r(&time, &broken_down);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%d/%b/%Y:%H:%M:%S %z", &broken_down);
  return text.data();
}

using Escape = std::string (*)(std::string_view);

std::string text_of(const Value& value, Escape escape, bool dates) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*number);
  }
  if (const auto* amount = std::get_if<double>(&value)) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.2f", *amount);
    return text.data();
  }
  if (const auto* moment = std::get_if<Moment>(&value)) {
    return dates ? date(moment->seconds) : std::to_string(moment->seconds);
  }
  return escape(std::get<std::string>(value));
}

/// The request's address with its query, each escaped by itself.
std::string request_uri(const ProcessFigures& process, Escape escape) {
  if (process.uri.empty()) {
    return "-";
  }
  return escape(process.uri) + (process.query.empty() ? "" : "?" + escape(process.query));
}

bool is_uri(const Field& field) {
  return std::string_view(field.name) == "request uri";
}

std::string with(char blank, std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), ' ', blank);
  return out;
}

// Plain text

void add_text_line(std::string& out, std::string_view name, const std::string& value) {
  std::string line(name);
  line += ':';
  line.resize(std::max(line.size() + 1, kTextColumn), ' ');
  out += line + value + "\n";
}

void add_text(std::string& out, const Fields& fields) {
  for (const Field& field : fields) {
    add_text_line(out, field.name, text_of(field.value, no_escape, true));
  }
}

std::string one_line(const Fields& fields) {
  std::string line;
  for (const Field& field : fields) {
    line += (line.empty() ? "" : ", ") + std::string(field.name) + " " +
            text_of(field.value, no_escape, true);
  }
  return line;
}

std::string render_text(const Figures& figures, Shown shown) {
  std::string out;
  add_text(out, figures.php);
  if (shown.own) {
    add_text(out, figures.own);
    for (const Fields& snapshot : figures.snapshots) {
      add_text_line(out, "snapshot", one_line(snapshot));
    }
  }
  for (const ProcessFigures& process : figures.processes) {
    out += "\n************************\n";
    for (const Field& field : process.php) {
      if (is_uri(field)) {
        add_text_line(out, "request URI", request_uri(process, no_escape));
      } else {
        add_text(out, {field});
      }
    }
    add_text(out, process.own);
  }
  return out;
}

// HTML

constexpr const char* kHtmlHead =
    "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" "
    "\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n"
    "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
    "<head><title>PHP-FPM Status Page</title></head>\n<body>\n";

std::string html_list(const Fields& fields) {
  std::string out = "<table>\n";
  for (const Field& field : fields) {
    out += "<tr><th>" + std::string(field.name) + "</th><td>" +
           text_of(field.value, escape_markup, true) + "</td></tr>\n";
  }
  return out + "</table>\n";
}

std::string html_names(const Fields& fields) {
  std::string out;
  for (const Field& field : fields) {
    out += "<th>" + std::string(field.name) + "</th>";
  }
  return out;
}

std::string html_cells(const Fields& fields, const ProcessFigures* process) {
  std::string out;
  for (const Field& field : fields) {
    out += "<td>" +
           (process != nullptr && is_uri(field) ? request_uri(*process, escape_markup)
                                                : text_of(field.value, escape_markup, true)) +
           "</td>";
  }
  return out;
}

std::string html_processes(const Figures& figures) {
  std::string out = "<table border=\"1\">\n<tr>" + html_names(figures.no_process.php) +
                    html_names(figures.no_process.own) + "</tr>\n";
  for (const ProcessFigures& process : figures.processes) {
    out +=
        "<tr>" + html_cells(process.php, &process) + html_cells(process.own, nullptr) + "</tr>\n";
  }
  return out + "</table>";
}

std::string html_snapshots(const std::vector<Fields>& snapshots) {
  if (snapshots.empty()) {
    return {};
  }
  std::string out = "<table border=\"1\">\n<tr>" + html_names(snapshots[0]) + "</tr>\n";
  for (const Fields& snapshot : snapshots) {
    out += "<tr>" + html_cells(snapshot, nullptr) + "</tr>\n";
  }
  return out + "</table>\n";
}

std::string render_html(const Figures& figures, Shown shown) {
  std::string out = kHtmlHead + html_list(figures.php);
  if (shown.processes) {
    out += html_processes(figures);
  }
  if (shown.own) {
    out +=
        (shown.processes ? "\n" : "") + html_list(figures.own) + html_snapshots(figures.snapshots);
  }
  return out + "</body></html>";
}

// XML

std::string xml_element(const Field& field, const std::string& value) {
  const std::string name = with('-', field.name);
  return "<" + name + ">" + value + "</" + name + ">";
}

std::string xml_elements(const Fields& fields, const char* between) {
  std::string out;
  for (const Field& field : fields) {
    out += xml_element(field, text_of(field.value, escape_markup, false)) + between;
  }
  return out;
}

std::string xml_process(const ProcessFigures& process) {
  std::string out = "<process>";
  for (const Field& field : process.php) {
    out += xml_element(field, is_uri(field) ? request_uri(process, escape_markup)
                                            : text_of(field.value, escape_markup, false));
  }
  return out + xml_elements(process.own, "") + "</process>\n";
}

std::string render_xml(const Figures& figures, Shown shown) {
  std::string out = "<?xml version=\"1.0\" ?>\n<status>\n" + xml_elements(figures.php, "\n");
  if (shown.processes) {
    out += "<processes>\n";
    for (const ProcessFigures& process : figures.processes) {
      out += xml_process(process);
    }
    out += "</processes>\n";
  }
  if (shown.own) {
    out += "<lwc>\n" + xml_elements(figures.own, "\n");
    for (const Fields& snapshot : figures.snapshots) {
      out += "<snapshot>" + xml_elements(snapshot, "") + "</snapshot>\n";
    }
    out += "</lwc>\n";
  }
  return out + "</status>";
}

// JSON

std::string json_value(const Value& value) {
  const std::string text = text_of(value, escape_json, false);
  return std::holds_alternative<std::string>(value) ? "\"" + text + "\"" : text;
}

std::string json_members(const Fields& fields, const ProcessFigures* process = nullptr) {
  std::string out;
  for (const Field& field : fields) {
    out += (out.empty() ? "\"" : ",\"") + std::string(field.name) + "\":" +
           (process != nullptr && is_uri(field) ? "\"" + request_uri(*process, escape_json) + "\""
                                                : json_value(field.value));
  }
  return out;
}

std::string render_json(const Figures& figures, Shown shown) {
  std::string out = "{" + json_members(figures.php);
  if (shown.processes) {
    out += ", \"processes\":[";
    const char* separator = "";
    for (const ProcessFigures& process : figures.processes) {
      out += separator + ("{" + json_members(process.php, &process)) + "," +
             json_members(process.own) + "}";
      separator = ",";
    }
    out += "]";
  }
  if (shown.own) {
    Fields own = figures.own;
    std::erase_if(own, [](const Field& field) { return field.name == std::string("snapshots"); });
    out += ",\"lwc\":{" + json_members(own) + ",\"snapshots\":[";
    const char* separator = "";
    for (const Fields& snapshot : figures.snapshots) {
      out += separator + ("{" + json_members(snapshot)) + "}";
      separator = ",";
    }
    out += "]}";
  }
  return out + "}";
}

}  // namespace

const char* content_type_line(Format format) {
  switch (format) {
    case Format::Html:
      return "Content-Type: text/html";
    case Format::Xml:
      return "Content-Type: text/xml";
    case Format::Json:
      return "Content-Type: application/json";
    case Format::OpenMetrics:
      return "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    case Format::Text:
      break;
  }
  return "Content-Type: text/plain";
}

std::string render(Format format, const Figures& figures, Shown shown) {
  switch (format) {
    case Format::Html:
      return render_html(figures, shown);
    case Format::Xml:
      return render_xml(figures, shown);
    case Format::Json:
      return render_json(figures, shown);
    case Format::OpenMetrics:
      return render_openmetrics(figures, shown.own);
    case Format::Text:
      break;
  }
  return render_text(figures, shown);
}

}  // namespace lwc::status
