// SPDX-License-Identifier: Apache-2.0
// Tokens of PHP's INI syntax, as the engine's own scanner cuts them in its normal mode.
//
// A value goes through PHP's scanner before php-fpm sees it, and files in the field rely on its
// corners (a `;` ends an unquoted value, `=` may not stand in one, "yes" is 1). So this scanner
// follows the same rule: of all patterns allowed in the present state the longest match wins, and
// of two equally long ones the one that PHP lists first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lwc::config {

enum class TokenKind {
  End,        ///< nothing more, or a character that no pattern of the state takes
  EndOfLine,  ///< also the end of a value
  Section,    ///< "["
  Offset,     ///< `name[`, text: the name
  Label,      ///< text: a key
  True,       ///< text: the word, as for False and Null
  False,
  Null,
  Constant,  ///< text: a word, perhaps the name of a PHP constant
  Text,      ///< text: part of a value (a number, a raw string, blanks, anything else)
  Quoted,    ///< text: part of a double-quoted string, escapes resolved
  DollarCurly,
  VariableName,
  Symbol,  ///< text: the one character
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string text;

  bool is(char symbol) const { return kind == TokenKind::Symbol && text[0] == symbol; }
};

class IniScanner {
 public:
  /// `text` must outlive the scanner. It ends at its first NUL, as in PHP.
  explicit IniScanner(std::string_view text);

  Token next();

 private:
  enum class State { Initial, Value, SectionValue, Offset, DoubleQuotes, VariableName };

  Token next_initial();
  Token next_value();
  Token next_section_value();
  Token next_offset();
  Token next_double_quotes();
  Token next_variable_name();
  Token take(TokenKind kind, std::size_t length);
  Token symbol(std::size_t length);
  std::string_view rest() const { return text_.substr(pos_); }

  std::string_view text_;
  std::size_t pos_ = 0;
  State state_ = State::Initial;
  std::vector<State> outer_;
};

}  // namespace lwc::config
