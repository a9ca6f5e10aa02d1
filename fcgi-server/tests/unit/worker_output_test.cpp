// SPDX-License-Identifier: Apache-2.0
#include "log/worker_output.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lwc::log {
namespace {

class WorkerOutputTest : public ::testing::Test {
 protected:
  WorkerOutput make(WorkerOutput::Options options) {
    options.pool = "www";
    return {std::move(options), [] { return std::string("T WARNING: "); },
            [this](std::string_view text) { written_ += text; }};
  }

  const std::string begin_ = "T WARNING: [pool www] child 7 said into stderr: \"";
  std::string written_;
};

TEST_F(WorkerOutputTest, DecoratesLines) {
  WorkerOutput output = make({});
  output.said(7, false, "one\n\ntwo\nthr");
  EXPECT_EQ(written_, begin_ + "one\"\n" + begin_ + "two\"\n");
  output.said(7, false, "ee\n");
  EXPECT_EQ(written_, begin_ + "one\"\n" + begin_ + "two\"\n" + begin_ + "three\"\n");
}

TEST_F(WorkerOutputTest, EndsALineWhenTheSpeakerChanges) {
  WorkerOutput output = make({});
  output.said(7, false, "err");
  output.said(7, true, "out");
  output.said(8, true, "other\n");
  EXPECT_EQ(written_, begin_ + "err\"\n" +
                          "T WARNING: [pool www] child 7 said into stdout: \"out\"\n"
                          "T WARNING: [pool www] child 8 said into stdout: \"other\"\n");
}

TEST_F(WorkerOutputTest, EndsALineAtTheEndOfARequest) {
  const std::string mark("\0fscf\0", 6);
  WorkerOutput output = make({});
  output.said(7, false, "done" + mark + "next");
  EXPECT_EQ(written_, begin_ + "done\"\n");
  // The mark may come in two pieces; what only looks like one is text.
  output.said(7, false, mark.substr(0, 3));
  output.said(7, false, mark.substr(3) + std::string("\0fs!\n", 5));
  EXPECT_EQ(written_,
            begin_ + "done\"\n" + begin_ + "next\"\n" + begin_ + std::string("\0fs!", 4) + "\"\n");
}

TEST_F(WorkerOutputTest, SaysThatThePipeClosed) {
  WorkerOutput output = make({});
  output.said(7, false, "half");
  output.closed();
  EXPECT_EQ(written_, begin_ + "half\", pipe is closed\n");
  output.closed();
  EXPECT_EQ(written_, begin_ + "half\", pipe is closed\n");
}

TEST_F(WorkerOutputTest, WrapsAtTheLimit) {
  WorkerOutput::Options options;
  options.limit = begin_.size() + 2 + 10;  // ten bytes of text a line
  WorkerOutput output = make(options);
  output.said(7, false, "0123456789");
  output.said(7, false, "abcdefghijXYZ\n");
  EXPECT_EQ(written_, begin_ + "0123456789\"\n" + begin_ + "abcdefghij\"\n" + begin_ + "XYZ\"\n");
}

TEST_F(WorkerOutputTest, WrapsEvenWhereThePrefixFillsTheLine) {
  WorkerOutput::Options options;
  options.limit = 8;
  WorkerOutput output = make(options);
  output.said(7, false, "ab\n");
  EXPECT_EQ(written_, begin_ + "a\"\n" + begin_ + "b\"\n");
}

TEST_F(WorkerOutputTest, PassesTextOnPlain) {
  WorkerOutput::Options options;
  options.decorate = false;
  options.limit = 11;
  WorkerOutput output = make(options);
  output.said(7, false, "0123456789ab\nc\n");
  EXPECT_EQ(written_, "0123456789\nab\nc\n");
}

TEST_F(WorkerOutputTest, DoesNotWaitForTheLineWithoutBuffering) {
  WorkerOutput::Options options;
  options.buffered = false;
  WorkerOutput output = make(options);
  output.said(7, false, "ha");
  EXPECT_EQ(written_, begin_ + "ha");
  output.said(7, false, "lf\n");
  EXPECT_EQ(written_, begin_ + "half\"\n");
}

}  // namespace
}  // namespace lwc::log
