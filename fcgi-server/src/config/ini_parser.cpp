// SPDX-License-Identifier: Apache-2.0
#include "config/ini_parser.hpp"

#include <strings.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "config/ini_scanner.hpp"

namespace lwc::config {
namespace {

/// Deeper nesting of parentheses and operators is refused, so that a file cannot overflow the
/// stack.
constexpr int kMaxDepth = 200;

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::End:
      return "end of the line";
    case TokenKind::EndOfLine:
      return "end of the value";
    case TokenKind::Symbol:
    case TokenKind::Section:
      return "'" + token.text + "'";
    case TokenKind::DollarCurly:
      return "'${'";
    default:
      return "'" + token.text + "'";
  }
}

class Parser {
 public:
  Parser(std::string_view line, const IniNames& names, IniHandler& handler)
      : scanner_(line), names_(names), handler_(handler) {}

  Status run() {
    advance();
    while (token_.kind != TokenKind::End && !failed_) {
      statement();
    }
    return failed_ ? Status{Error{std::move(message_)}} : ok();
  }

 private:
  void advance() { token_ = scanner_.next(); }

  void fail(const std::string& what) {
    if (!failed_) {
      failed_ = true;
      message_ = "syntax error, unexpected " + describe(token_) + what;
    }
  }

  void statement() {
    switch (token_.kind) {
      case TokenKind::EndOfLine:
        advance();
        return;
      case TokenKind::Section:
        advance();
        section();
        return;
      case TokenKind::Offset:
        element();
        return;
      case TokenKind::Label: {
        const std::string name = std::move(token_.text);
        advance();
        if (!token_.is('=')) {
          handler_.bare(name);
          return;
        }
        advance();
        const IniValue read = value();
        if (!failed_) {
          handler_.entry(name, read);
        }
        return;
      }
      default:
        fail("; put the value in double quotes if it is meant as it stands");
    }
  }

  void section() {
    const std::string name = strings(false);
    if (!failed_ && !token_.is(']')) {
      fail("; a section is a name in brackets, such as [www]");
    }
    if (!failed_) {
      handler_.section(name);
      advance();
    }
  }

  void element() {
    const std::string name = std::move(token_.text);
    advance();
    const std::string key = strings(true);
    if (!failed_ && !token_.is(']')) {
      fail("; the key of '" + name + "[...]' must be closed by ']'");
    }
    if (!failed_) {
      advance();
      if (!token_.is('=')) {
        fail("; '" + name + "[" + key + "]' needs '=' and a value");
      }
    }
    if (failed_) {
      return;
    }
    advance();
    const IniValue read = value();
    if (!failed_) {
      handler_.element(name, key, read);
    }
  }

  IniValue value() {
    IniValue result;
    switch (token_.kind) {
      case TokenKind::True:
      case TokenKind::False:
      case TokenKind::Null:
        result.text = token_.kind == TokenKind::True ? "1" : "";
        result.word = std::move(token_.text);
        advance();
        break;
      case TokenKind::EndOfLine:
        advance();
        break;
      default:
        result.text = expression(0);
    }
    return result;
  }

  /// All binary operators bind alike, from the left.
  std::string expression(int depth) {
    std::string left = operand(depth);
    while (!failed_ && (token_.is('|') || token_.is('&') || token_.is('^'))) {
      const char op = token_.text[0];
      advance();
      const int a = c_number(left);
      const int b = c_number(operand(depth));
      left = std::to_string(op == '|' ? a | b : op == '&' ? a & b : a ^ b);
    }
    return left;
  }

  std::string operand(int depth) {
    if (depth > kMaxDepth) {
      fail(": the value is nested too deeply");
      return {};
    }
    if (token_.is('~') || token_.is('!')) {
      const bool negate = token_.is('!');
      advance();
      const int number = c_number(operand(depth + 1));
      return std::to_string(negate ? static_cast<int>(number == 0) : ~number);
    }
    if (token_.is('(')) {
      advance();
      std::string inner = expression(depth + 1);
      if (!failed_ && !token_.is(')')) {
        fail("; an opening parenthesis lacks its closing one, or the value needs double quotes");
      }
      if (!failed_) {
        advance();
      }
      return inner;
    }
    if (!starts_string()) {
      fail("; put the value in double quotes if it is meant as it stands");
      return {};
    }
    return strings(true);
  }

  bool starts_string() const {
    return token_.kind == TokenKind::Constant || token_.kind == TokenKind::Text ||
           token_.kind == TokenKind::DollarCurly || token_.is('"');
  }

  /// Strings side by side are one. May be none at all.
  std::string strings(bool with_constants) {
    std::string result;
    while (!failed_ && starts_string()) {
      if (token_.kind == TokenKind::DollarCurly) {
        result += variable();
      } else if (token_.is('"')) {
        result += quoted();
      } else {
        const bool is_word = with_constants && token_.kind == TokenKind::Constant;
        result += (is_word ? constant(token_.text) : std::nullopt).value_or(token_.text);
        advance();
      }
    }
    return result;
  }

  std::optional<std::string> constant(const std::string& word) const {
    if (strcasecmp(word.c_str(), "true") == 0) {
      return "1";
    }
    if (strcasecmp(word.c_str(), "false") == 0 || strcasecmp(word.c_str(), "null") == 0) {
      return "";
    }
    return names_.constant ? names_.constant(word) : std::nullopt;
  }

  std::string quoted() {
    std::string result;
    advance();
    while (token_.kind == TokenKind::Quoted || token_.kind == TokenKind::DollarCurly) {
      if (token_.kind == TokenKind::DollarCurly) {
        result += variable();
        if (failed_) {
          return result;
        }
      } else {
        result += token_.text;
        advance();
      }
    }
    if (!token_.is('"')) {
      fail("; a double quote is not closed on this line");
      return result;
    }
    advance();
    return result;
  }

  std::string variable() {
    advance();
    if (token_.kind != TokenKind::VariableName) {
      fail("; '${' must be followed by a name and '}'");
      return {};
    }
    std::optional<std::string> value;
    if (names_.variable) {
      value = names_.variable(token_.text);
    }
    advance();
    if (!token_.is('}')) {
      fail("; '${' lacks its closing '}'");
      return {};
    }
    advance();
    return value.value_or(std::string{});
  }

  IniScanner scanner_;
  const IniNames& names_;
  IniHandler& handler_;
  Token token_;
  bool failed_ = false;
  std::string message_;
};

}  // namespace

Status parse_ini_line(std::string_view line, const IniNames& names, IniHandler& handler) {
  return Parser(line, names, handler).run();
}

int c_number(const std::string& text, bool* exact) {
  errno = 0;
  const long number = std::strtol(text.c_str(), nullptr, 10);
  const int result = static_cast<int>(number);
  if (exact != nullptr && (errno == ERANGE || result != number)) {
    *exact = false;
  }
  return result;
}

}  // namespace lwc::config
