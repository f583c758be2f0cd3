// What the second unit that includes weft.hpp offers.
#pragma once

float five_from_another_unit();
