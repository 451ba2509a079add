//! Operators between two numbers, as Go computes them.
//!
//! Division by zero is no number and not an infinity: in this Loki differs from Prometheus. The
//! remainder has the sign of the dividend.

use lucarne_logql::ast::BinaryOp;

/// The result of an arithmetic operator, or 1 and 0 for a comparison; set operators have none.
pub(super) fn compute(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => {
            if right == 0.0 {
                f64::NAN
            } else {
                left / right
            }
        }
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Lt | BinaryOp::Le => {
            f64::from(u8::from(holds(op, left, right)))
        }
        BinaryOp::Or | BinaryOp::And | BinaryOp::Unless => f64::NAN,
    }
}

/// Whether a comparison holds; with what is no number only `!=` does.
#[expect(clippy::float_cmp, reason = "the language compares exactly")]
pub(super) fn holds(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Eq => left == right,
        BinaryOp::Ne => left != right,
        BinaryOp::Gt => left > right,
        BinaryOp::Ge => left >= right,
        BinaryOp::Lt => left < right,
        BinaryOp::Le => left <= right,
        BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul
        | BinaryOp::Div
        | BinaryOp::Mod
        | BinaryOp::Pow
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Unless => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_meet_as_in_go() {
        let inf = f64::INFINITY;
        let nan = f64::NAN;
        let cases = [
            (BinaryOp::Add, 1.0, 2.0, 3.0),
            (BinaryOp::Sub, 1.0, inf, -inf),
            (BinaryOp::Sub, inf, inf, nan),
            (BinaryOp::Mul, 3.0, -2.0, -6.0),
            (BinaryOp::Div, 1.0, 4.0, 0.25),
            (BinaryOp::Div, 1.0, 0.0, nan),
            (BinaryOp::Div, 0.0, 0.0, nan),
            (BinaryOp::Mod, -7.0, 3.0, -1.0),
            (BinaryOp::Mod, 7.0, -3.0, 1.0),
            (BinaryOp::Mod, 7.0, 0.0, nan),
            (BinaryOp::Mod, 7.0, inf, 7.0),
            (BinaryOp::Pow, 2.0, 10.0, 1024.0),
            (BinaryOp::Pow, -8.0, 1.0 / 3.0, nan),
            (BinaryOp::Pow, nan, 0.0, 1.0),
            (BinaryOp::Eq, nan, nan, 0.0),
            (BinaryOp::Ne, nan, nan, 1.0),
            (BinaryOp::Gt, 2.0, 1.0, 1.0),
            (BinaryOp::Gt, 1.0, 1.0, 0.0),
            (BinaryOp::Ge, 1.0, 1.0, 1.0),
            (BinaryOp::Lt, 1.0, 2.0, 1.0),
            (BinaryOp::Lt, nan, 2.0, 0.0),
            (BinaryOp::Le, 3.0, 2.0, 0.0),
        ];
        for (op, left, right, expected) in cases {
            let got = compute(op, left, right);
            let same = got == expected || (got.is_nan() && expected.is_nan());
            assert!(same, "{left} {op:?} {right} is {got}, expected {expected}");
        }
    }
}
