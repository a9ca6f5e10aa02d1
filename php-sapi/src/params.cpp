// SPDX-License-Identifier: Apache-2.0
#include "params.hpp"

#include <cstring>

namespace lwc::php {

void Params::reset(const Transport* transport) {
  transport_ = transport;
  changes_.clear();
  texts_.clear();
}

const Params::Change* Params::find(const char* name) const {
  for (const Change& change : changes_) {
    if (change.name == name) {
      return &change;
    }
  }
  return nullptr;
}

const char* Params::get(const char* name) const {
  if (const Change* change = find(name)) {
    return change->value;
  }
  return transport_ != nullptr ? transport_->param(name) : nullptr;
}

const char* Params::set(const char* name, const char* value) {
  if (value != nullptr) {
    value = texts_.emplace_back(value).c_str();
  }
  for (Change& change : changes_) {
    if (change.name == name) {
      change.value = value;
      return value;
    }
  }
  changes_.push_back({name, value});
  return value;
}

void Params::each(Transport::ParamVisitor visit, void* context) const {
  if (transport_ == nullptr) {
    return;
  }
  order_.clear();
  transport_->each_param(
      [](const char* name, const char* value, void* params) {
        const auto* self = static_cast<const Params*>(params);
        const Change* change = self->find(name);
        self->order_.emplace_back(name, change != nullptr ? change->value : value);
      },
      const_cast<Params*>(this));
  for (const Change& change : changes_) {
    if (transport_->param(change.name.c_str()) == nullptr) {
      order_.emplace_back(change.name.c_str(), change.value);
    }
  }
  // By index: `visit` runs engine code, and nothing may need undoing when that leaves by longjmp.
  for (std::size_t i = order_.size(); i > 0; --i) {
    if (order_[i - 1].second != nullptr) {
      visit(order_[i - 1].first, order_[i - 1].second, context);
    }
  }
}

}  // namespace lwc::php
