// SPDX-License-Identifier: Apache-2.0
#include "config/ini_scanner.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace lwc::config {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kNotInLabel = "=\n\r\t;&|^$~(){}!\"[";
constexpr std::string_view kOperators = "&|^~()!";

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_word(char c) {
  return is_word_start(c) || is_digit(c);
}

std::size_t span(std::string_view text, std::string_view accepted) {
  return std::min(text.find_first_not_of(accepted), text.size());
}
std::size_t span_until(std::string_view text, std::string_view refused) {
  return std::min(text.find_first_of(refused), text.size());
}

/// Length of the line end at `at`, or 0.
std::size_t newline_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) {
    return 0;
  }
  if (text[at] == '\r') {
    return at + 1 < text.size() && text[at + 1] == '\n' ? 2 : 1;
  }
  return text[at] == '\n' ? 1 : 0;
}

// Each match_*() returns the length of its pattern at the start of `text`, 0 for no match.

std::size_t match_blank_newline(std::string_view text) {
  const std::size_t blanks = span(text, kBlanks);
  const std::size_t end = newline_at(text, blanks);
  return end == 0 ? 0 : blanks + end;
}

std::size_t match_comment(std::string_view text) {
  const std::size_t blanks = span(text, kBlanks);
  if (blanks >= text.size() || text[blanks] != ';') {
    return 0;
  }
  const std::size_t end = blanks + span_until(text.substr(blanks), "\r\n");
  const std::size_t newline = newline_at(text, end);
  return newline == 0 ? 0 : end + newline;
}

std::size_t match_assignment(std::string_view text) {
  const std::size_t blanks = span(text, kBlanks);
  if (blanks >= text.size() || text[blanks] != '=') {
    return 0;
  }
  return blanks + 1 + span(text.substr(blanks + 1), kBlanks);
}

std::size_t match_label(std::string_view text) {
  return span_until(text, kNotInLabel);
}

std::size_t match_offset_start(std::string_view text) {
  const std::size_t label = match_label(text);
  if (label == 0 || label >= text.size() || text[label] != '[') {
    return 0;
  }
  return label + 1 + span(text.substr(label + 1), kBlanks);
}

std::size_t match_word(std::string_view text) {
  if (text.empty() || !is_word_start(text[0])) {
    return 0;
  }
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_word) -
                                  text.begin());
}

std::size_t match_raw_string(std::string_view text) {
  if (text.empty() || text[0] != '\'') {
    return 0;
  }
  const std::size_t close = text.find('\'', 1);
  return close == std::string_view::npos || close == 1 ? 0 : close + 1;
}

/// `$` and what it takes with it where it does not start a variable; 0 before `{` and at the end.
std::size_t match_literal_dollar(std::string_view text) {
  if (text.size() < 2 || text[0] != '$' || text[1] == '{') {
    return 0;
  }
  return text[1] == '\\' && text.size() > 2 ? 3 : 2;
}

std::size_t match_value_text(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    if (std::strchr("= \t\n\r;&|^~()!\"'", text[length]) != nullptr) {
      break;
    }
    if (text[length] == '$') {
      const std::size_t dollar = match_literal_dollar(text.substr(length));
      if (dollar == 0) {
        break;
      }
      length += dollar;
    } else {
      ++length;
    }
  }
  return length;
}

std::size_t match_section_text(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const char c = text[length];
    if (c == '\\') {
      if (length + 1 >= text.size()) {
        break;
      }
      length += 2;
    } else if (c == '$') {
      const std::size_t dollar = match_literal_dollar(text.substr(length));
      if (dollar == 0) {
        break;
      }
      length += dollar;
    } else if (std::strchr("\n\r;\"']", c) != nullptr) {
      break;
    } else {
      ++length;
    }
  }
  return length;
}

std::size_t match_open_quote(std::string_view text) {
  const std::size_t blanks = span(text, kBlanks);
  return blanks < text.size() && text[blanks] == '"' ? blanks + 1 : 0;
}

struct Keyword {
  std::string_view word;
  TokenKind kind;
};
constexpr std::array<Keyword, 8> kKeywords{{{"true", TokenKind::True},
                                            {"on", TokenKind::True},
                                            {"yes", TokenKind::True},
                                            {"false", TokenKind::False},
                                            {"off", TokenKind::False},
                                            {"none", TokenKind::False},
                                            {"no", TokenKind::False},
                                            {"null", TokenKind::Null}}};

struct Match {
  std::size_t length = 0;
  TokenKind kind = TokenKind::End;
};

Match match_keyword(std::string_view text) {
  for (const Keyword& keyword : kKeywords) {
    if (text.size() >= keyword.word.size() &&
        strncasecmp(text.data(), keyword.word.data(), keyword.word.size()) == 0) {
      const std::size_t length = keyword.word.size();
      return {length + span(text.substr(length), kBlanks), keyword.kind};
    }
  }
  return {};
}

std::string trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

/// Resolves \" \\ and \$; any other backslash stands for itself.
std::string unescape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      if (text[i] != '"' && text[i] != '\\' && text[i] != '$') {
        result += '\\';
      }
    }
    result += text[i];
  }
  return result;
}

}  // namespace

IniScanner::IniScanner(std::string_view text) : text_(text.substr(0, text.find('\0'))) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text_.size() > kByteOrderMark.size() && text_.substr(0, 3) == kByteOrderMark) {
    pos_ = kByteOrderMark.size();
  }
}

Token IniScanner::take(TokenKind kind, std::size_t length) {
  Token token{kind, std::string(rest().substr(0, length))};
  pos_ += length;
  return token;
}

Token IniScanner::symbol(std::size_t length) {
  Token token{TokenKind::Symbol, std::string(rest().substr(0, 1))};
  pos_ += length;
  return token;
}

Token IniScanner::next() {
  while (true) {
    if (pos_ >= text_.size()) {
      const bool in_value = state_ == State::Value;
      state_ = in_value ? State::Initial : state_;
      return {in_value ? TokenKind::EndOfLine : TokenKind::End, {}};
    }
    switch (state_) {
      case State::Initial: {
        // Blanks that nothing longer takes are skipped. A label may begin with spaces, not tabs.
        const std::size_t blanks = span(rest(), kBlanks);
        if (blanks > match_label(rest()) && match_blank_newline(rest()) == 0 &&
            match_comment(rest()) == 0 && match_assignment(rest()) == 0) {
          pos_ += blanks;
          continue;
        }
        return next_initial();
      }
      case State::Value:
        return next_value();
      case State::SectionValue:
        return next_section_value();
      case State::Offset:
        return next_offset();
      case State::DoubleQuotes:
        return next_double_quotes();
      case State::VariableName:
        return next_variable_name();
    }
  }
}

Token IniScanner::next_initial() {
  const std::string_view text = rest();
  if (text[0] == '[') {
    state_ = State::SectionValue;
    return take(TokenKind::Section, 1);
  }
  if (const std::size_t length = match_offset_start(text); length > 0) {
    const std::string name = trim(text.substr(0, match_label(text)));
    pos_ += length;
    state_ = State::Offset;
    return {TokenKind::Offset, name};
  }
  if (const std::size_t length = std::max(match_blank_newline(text), match_comment(text));
      length > 0) {
    pos_ += length;
    return {TokenKind::EndOfLine, {}};
  }
  if (const std::size_t length = match_assignment(text); length > match_label(text)) {
    pos_ += length;
    state_ = State::Value;
    return {TokenKind::Symbol, "="};
  }
  const std::size_t label = match_label(text);
  if (const Match keyword = match_keyword(text); keyword.length > 0 && keyword.length >= label) {
    Token token{keyword.kind, trim(text.substr(0, keyword.length))};
    pos_ += keyword.length;
    return token;
  }
  if (label > 0) {
    const std::string name = trim(text.substr(0, label));
    pos_ += label;
    return {TokenKind::Label, name};
  }
  return std::strchr("\"()&|^=$!~{}", text[0]) != nullptr ? symbol(1) : take(TokenKind::End, 1);
}

Token IniScanner::next_value() {
  const std::string_view text = rest();
  if (const std::size_t length = match_raw_string(text); length > 0) {
    const std::string inner(text.substr(1, length - 2));
    pos_ += length;
    return {TokenKind::Text, inner};
  }
  if (text.substr(0, 2) == "${") {
    outer_.push_back(state_);
    state_ = State::VariableName;
    return take(TokenKind::DollarCurly, 2);
  }
  if (const std::size_t length = std::max(match_blank_newline(text), match_comment(text));
      length > 0) {
    pos_ += length;
    state_ = State::Initial;
    return {TokenKind::EndOfLine, {}};
  }
  const std::size_t plain = match_value_text(text);
  if (const Match keyword = match_keyword(text); keyword.length > 0 && keyword.length >= plain) {
    Token token{keyword.kind, trim(text.substr(0, keyword.length))};
    pos_ += keyword.length;
    return token;
  }
  if (const std::size_t word = match_word(text); word > 0 && word >= plain) {
    return take(TokenKind::Constant, word);
  }
  if (plain > 0) {
    return take(TokenKind::Text, plain);
  }
  if (kOperators.find(text[0]) != std::string_view::npos) {
    return symbol(1 + span(text.substr(1), kBlanks));
  }
  if (text[0] == '=') {
    state_ = State::Initial;  // left unread: it will be an error there
    return {TokenKind::EndOfLine, {}};
  }
  if (const std::size_t length = match_open_quote(text); length > 0) {
    outer_.push_back(state_);
    state_ = State::DoubleQuotes;
    pos_ += length;
    return {TokenKind::Symbol, "\""};
  }
  if (is_blank(text[0])) {
    return take(TokenKind::Text, span(text, kBlanks));
  }
  if (text[0] == '\'' && text.substr(0, 2) != "''") {
    return take(TokenKind::End, text.size());  // a quote that is never closed
  }
  ++pos_;
  state_ = State::Initial;
  return {TokenKind::EndOfLine, {}};
}

Token IniScanner::next_section_value() {
  const std::string_view text = rest();
  if (text[0] == ']') {
    const std::size_t blanks = span(text.substr(1), kBlanks);
    pos_ += 1 + blanks + newline_at(text, 1 + blanks);
    state_ = State::Initial;
    return {TokenKind::Symbol, "]"};
  }
  return next_offset();
}

Token IniScanner::next_offset() {
  const std::string_view text = rest();
  if (const std::size_t length = match_raw_string(text); length > 0) {
    const std::string inner(text.substr(1, length - 2));
    pos_ += length;
    return {TokenKind::Text, inner};
  }
  const std::size_t plain = match_section_text(text);
  const std::size_t blanks = span(text, kBlanks);
  if (state_ == State::Offset && blanks < text.size() && text[blanks] == ']') {
    pos_ += blanks + 1;
    state_ = State::Initial;
    return {TokenKind::Symbol, "]"};
  }
  if (text.substr(0, 2) == "${") {
    outer_.push_back(state_);
    state_ = State::VariableName;
    return take(TokenKind::DollarCurly, 2);
  }
  if (const std::size_t word = match_word(text); word > 0 && word >= plain) {
    return take(TokenKind::Constant, word);
  }
  if (const std::size_t length = match_open_quote(text); length > plain) {
    outer_.push_back(state_);
    state_ = State::DoubleQuotes;
    pos_ += length;
    return {TokenKind::Symbol, "\""};
  }
  if (plain > 0) {
    return take(TokenKind::Text, plain);
  }
  return take(TokenKind::End, 1);
}

Token IniScanner::next_double_quotes() {
  const std::string_view text = rest();
  if (text.substr(0, 2) == "${") {
    outer_.push_back(state_);
    state_ = State::VariableName;
    return take(TokenKind::DollarCurly, 2);
  }
  if (text[0] == '"') {
    pos_ += 1 + span(text.substr(1), kBlanks);
    state_ = outer_.back();
    outer_.pop_back();
    return {TokenKind::Symbol, "\""};
  }
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (text[end] == '"' || text.substr(end, 2) == "${") {
      break;
    }
    if (text[end] == '\\' && end + 1 < text.size()) {
      // A Windows path may end in a backslash: \" before the end of the line closes the string.
      const bool closes = text[end + 1] == '"' && (end + 2 >= text.size() ||
                                                   text[end + 2] == '\n' || text[end + 2] == '\r');
      ++end;
      if (closes) {
        break;
      }
    }
  }
  end = std::min(end, text.size());
  const std::string inner = unescape(text.substr(0, end));
  pos_ += end;
  return {TokenKind::Quoted, inner};
}

Token IniScanner::next_variable_name() {
  const std::string_view text = rest();
  if (text[0] == '}') {
    ++pos_;
    state_ = outer_.back();
    outer_.pop_back();
    return {TokenKind::Symbol, "}"};
  }
  if (const std::size_t length = match_label(text); length > 0) {
    const std::string name = trim(text.substr(0, length));
    pos_ += length;
    return {TokenKind::VariableName, name};
  }
  return take(TokenKind::End, 1);
}

}  // namespace lwc::config
