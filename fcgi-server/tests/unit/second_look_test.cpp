// SPDX-License-Identifier: Apache-2.0
#include "master/second_look.hpp"

#include <gtest/gtest.h>

namespace lwc {
namespace {

TEST(SecondLook, OnlyWhoWasOverdueBeforeIsConfirmed) {
  SecondLook look(2);
  EXPECT_FALSE(look.confirms(0, true, 100));
  EXPECT_FALSE(look.confirms(1, false, 100));
  EXPECT_TRUE(look.confirms(0, true, 100));
  EXPECT_FALSE(look.confirms(1, true, 100));
  EXPECT_TRUE(look.confirms(0, true, 100));
}

TEST(SecondLook, AnotherRequestOfTheSlotIsSeenForTheFirstTime) {
  SecondLook look(1);
  EXPECT_FALSE(look.confirms(0, true, 100));
  EXPECT_FALSE(look.confirms(0, true, 200));
  EXPECT_TRUE(look.confirms(0, true, 200));
}

TEST(SecondLook, WhoCameToItsEndBeginsAnew) {
  SecondLook look(1);
  EXPECT_FALSE(look.confirms(0, true, 100));
  EXPECT_FALSE(look.confirms(0, false, 100));
  EXPECT_FALSE(look.confirms(0, true, 100));
}

}  // namespace
}  // namespace lwc
