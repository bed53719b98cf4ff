//! Weights that are not whole: of hosts in slow start, of localities that are partly down.

/// A weight, exactly `num / den`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weight {
    pub(crate) num: u64,
    /// Never 0.
    pub(crate) den: u64,
}

impl Weight {
    /// A weight of 0 counts as 1.
    pub(crate) fn whole(weight: u32) -> Self {
        Self { num: u64::from(weight.max(1)), den: 1 }
    }

    pub(crate) fn get(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

/// The same proportions in whole numbers, reduced by what all have in common. Exact where that fits into
/// 32 bits each, else to one in four billion; never 0.
pub(crate) fn proportions(weights: &[Weight]) -> Vec<u32> {
    exact(weights).unwrap_or_else(|| nearly(weights))
}

fn exact(weights: &[Weight]) -> Option<Vec<u32>> {
    let common = weights.iter().try_fold(1u64, |common, weight| {
        (common / gcd(common, weight.den)).checked_mul(weight.den)
    })?;
    let scaled: Vec<u64> = weights
        .iter()
        .map(|weight| weight.num.checked_mul(common / weight.den))
        .collect::<Option<_>>()?;
    let shared = scaled.iter().fold(0, |shared, &weight| gcd(shared, weight)).max(1);
    scaled.iter().map(|weight| u32::try_from((weight / shared).max(1)).ok()).collect()
}

fn nearly(weights: &[Weight]) -> Vec<u32> {
    let heaviest = weights.iter().map(|weight| weight.get()).fold(0.0, f64::max);
    let scale = f64::from(u32::MAX) / heaviest;
    // From 1 to u32::MAX.
    weights.iter().map(|weight| ((weight.get() * scale) as u32).max(1)).collect()
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(weights: &[u32]) -> Vec<u32> {
        proportions(&weights.iter().copied().map(Weight::whole).collect::<Vec<_>>())
    }

    #[test]
    fn weights_are_reduced() {
        assert_eq!(whole(&[2, 4, 6]), [1, 2, 3]);
        assert_eq!(whole(&[7, 7]), [1, 1]);
        assert_eq!(whole(&[0, 3]), [1, 3]);
        assert_eq!(whole(&[]), Vec::<u32>::new());
    }

    #[test]
    fn fractions_are_exact() {
        let weights = [Weight { num: 20_000, den: 60_000 }, Weight::whole(1)];
        assert_eq!(proportions(&weights), [1, 3]);
    }

    #[test]
    fn what_does_not_fit_is_near() {
        let weights = [
            Weight { num: u64::from(u32::MAX), den: 1 },
            Weight { num: 1, den: u64::from(u32::MAX) },
            Weight { num: u64::from(u32::MAX), den: 2 },
        ];
        let nearly = proportions(&weights);
        assert_eq!((nearly[0], nearly[1]), (u32::MAX, 1));
        assert!(nearly[2].abs_diff(u32::MAX / 2) <= 1);
    }
}
